"""BLEU beside sacrebleu, on corpora and on single pairs of sentences drawn from a fixed seed."""

import random

import pytest

from nanochat.data.builtin import read_builtin
from nanochat.experiments.evaluation.bleu import bleu, tokenize_13a

pytestmark = pytest.mark.oracle

N_PAIRS = 500
MARKS = [*".,!?;:-'\"()&%$#@/<>[]{}", "...", "--", "&amp;", "&quot;", "&lt;b&gt;", "3.14", "1,000", "10-fold", "-7"]
MARKS += ["e.g.", "don't", "\u2019", "\u201cx\u201d", "\u2013", "日本。", "é\u0301", "\u00a0", "-\n", "\n", " "]


def pairs(seed: int) -> list[tuple[str, str]]:
    """A reference of prose and marks, and an answer that keeps some of it: words lost, repeated, moved, exchanged."""
    source = random.Random(seed)
    words = read_builtin("verse").split() if seed % 2 else [f"w{i}" for i in range(9)]
    found = []
    for _ in range(N_PAIRS):
        start = source.randrange(max(1, len(words) - 20))
        reference = words[start : start + source.randrange(1, 20)]
        for _ in range(source.randrange(4)):
            reference.insert(source.randrange(len(reference) + 1), source.choice(MARKS))
        answer = [word for word in reference if source.random() > 0.15]
        for _ in range(source.randrange(4)):
            answer.insert(source.randrange(len(answer) + 1), source.choice([*MARKS, *words[:50]]))
        if source.random() < 0.2:
            source.shuffle(answer)
        glue = source.choice([" ", "", " "])
        found.append((glue.join(answer), " ".join(reference)))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_corpus_scores_what_sacrebleu_says(seed):
    from sacrebleu.metrics import BLEU

    answers, references = zip(*pairs(seed), strict=True)
    theirs = BLEU().corpus_score(list(answers), [list(references)])
    ours = bleu(answers, references)
    assert ours.score == pytest.approx(theirs.score, abs=1e-9)
    assert ours.precisions == pytest.approx(theirs.precisions, abs=1e-9)
    assert (ours.n_words, ours.n_reference_words) == (theirs.sys_len, theirs.ref_len)
    assert ours.brevity_penalty == pytest.approx(theirs.bp, abs=1e-12)


@pytest.mark.parametrize("seed", range(2))
def test_each_pair_alone_scores_what_sacrebleu_says(seed):
    from sacrebleu.metrics import BLEU

    metric, n_scores = BLEU(), set()
    for answer, reference in pairs(seed):
        theirs, ours = metric.corpus_score([answer], [[reference]]), bleu([answer], [reference])
        assert ours.score == pytest.approx(theirs.score, abs=1e-9), (answer, reference)
        assert ours.precisions == pytest.approx(theirs.precisions, abs=1e-9)
        n_scores.add(round(ours.score))
    assert {0, 100} < n_scores  # from nothing in common to all of it


def test_words_are_cut_as_sacrebleu_cuts_them():
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    source, theirs = random.Random(0), Tokenizer13a()
    letters = [*"abcXYZ019 \t\n", *MARKS, *map(chr, range(33, 127)), *"äß日本\u2028\x85\x1c\u3000"]
    for _ in range(20_000):
        text = "".join(source.choices(letters, k=source.randrange(12)))
        assert tokenize_13a(text) == theirs(text.rstrip()).split(), repr(text)
