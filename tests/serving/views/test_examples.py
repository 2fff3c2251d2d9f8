"""Texts to begin with, from what a model learned from where that is ours to show."""

import numpy as np
import pytest
from served import model

pytest.importorskip("starlette", reason="needs the extra serve: requirements/serve.txt")

from nanochat.data.load import load_corpus
from nanochat.inference.samplers import log_softmax
from nanochat.serving.views.examples import cut, learned


@pytest.mark.parametrize(
    "source", ["builtin:names", "builtin:verse", "builtin:world-rehearsal", "builtin:none", "own.txt", ""]
)
def test_only_what_is_built_in_is_shown(source):
    texts, questions = learned(source)
    if not source.startswith("builtin:") or source == "builtin:none":
        assert texts == questions == []
        return
    corpus = load_corpus(source)
    assert len(texts) == 3
    assert all(texts)
    assert len(questions) == (3 if corpus.layout == "chat" else 0)


def test_a_text_is_cut_where_the_model_is_least_sure():
    lm = model()
    ids = lm.encode("what is the capital of Peru ? Lima .")
    found = lm.encode(cut(lm, lm.tokenizer.decode(ids)))
    assert found == ids[: len(found)]

    def entropy(n):
        return sum(-p * np.log(p) for p in np.exp(log_softmax(lm.logits(ids[:n])[-1])))

    # of float32 logits that are read in rows of another length
    assert all(entropy(len(found)) >= entropy(n) - 1e-5 for n in range(3, len(ids) + 1))


def test_a_text_that_the_model_cannot_read_is_left_out():
    assert cut(model(), "Ж") == ""
