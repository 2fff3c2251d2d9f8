"""Several processes give what one gives, in the same order; and decoding as ids come, for every kind."""

import numpy as np
import pytest

from nanochat.errors import TokenizerError
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer, decode_stream, encode_many, parallel

TEXTS = [f"text {n}: {'word ' * (n % 7)}é!" for n in range(200)] + ["", "x" * 5000, ""]
BPE = BPETokenizer.train(TEXTS, vocab_size=300)


def test_processes_give_what_one_gives_in_the_same_order(monkeypatch):
    monkeypatch.setattr(parallel, "_BATCH", 500)  # many more batches than may wait
    alone = list(encode_many(BPE, TEXTS))
    together = list(encode_many(BPE, TEXTS, jobs=2))
    assert [ids.tolist() for ids in together] == [ids.tolist() for ids in alone] == [BPE.encode(text) for text in TEXTS]
    assert {ids.dtype for ids in together} == {np.dtype(np.uint16)}


def test_an_error_in_a_process_names_the_text():
    tokenizer = CharTokenizer.train("ab")
    texts = ["ab", "ba", "abc"]
    with pytest.raises(TokenizerError, match=r"text 2: character 'c' .* at position 2") as alone:
        list(encode_many(tokenizer, texts))
    with pytest.raises(TokenizerError) as together:
        list(encode_many(tokenizer, texts, jobs=2))
    assert str(together.value) == str(alone.value)


def test_texts_are_read_as_results_are_taken():
    read = []

    def texts():
        for text in TEXTS:
            read.append(text)
            yield text

    results = encode_many(BPE, texts())
    next(results)
    assert len(read) == 1


def test_nothing_gives_nothing_and_no_jobs_are_refused():
    assert list(encode_many(BPE, [])) == []
    with pytest.raises(TokenizerError, match="jobs=0 encodes nothing"):
        encode_many(BPE, TEXTS, jobs=0)


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer, BPETokenizer])
def test_every_kind_decodes_as_ids_come(kind):
    text = "It isn't so, \U0001f600 é!"
    tokenizer = kind.train(text, **({"vocab_size": 260} if kind is BPETokenizer else {}))
    ids = [0, *tokenizer.encode(text), 0]
    pieces = list(decode_stream(tokenizer, iter(ids)))
    assert "".join(pieces) == tokenizer.decode(ids)
    assert all(pieces)
    assert len(pieces) > 3
