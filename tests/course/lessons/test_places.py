"""A student's function in a GPT: what is put in is taken out again, and a certificate that can fail."""

import pytest

from nanochat.course.lessons import find_exercise
from nanochat.course.lessons.evidence.change import change_of
from nanochat.course.lessons.evidence.places import SMALL, certified, certified_model
from nanochat.course.lessons.evidence.suggestions import answer_with
from nanochat.course.zoo.specimen import injected
from nanochat.models.gpt.scalar import GPT as ScalarGPT
from nanochat.models.gpt.tensor import GPT as TensorGPT

EACH = pytest.mark.parametrize("place", ["activation", "norm", "weights"])


def change(place, **given):
    v = find_exercise("12c").variants[place]
    return change_of(answer_with(v, **given), v)


def losses():
    return [
        float(ScalarGPT(SMALL, seed=1).loss([[0, 1, 2]], [[1, 2, 3]])),
        float(TensorGPT(SMALL, seed=1).loss([[0, 1, 2]], [[1, 2, 3]])),
    ]


@EACH
def test_a_change_is_in_both_spellings_inside_the_block_and_in_none_after_it(place):
    before = losses()
    with injected(change(place).specimen()):
        inside = losses()
    assert all(a != b for a, b in zip(before, inside, strict=True))
    assert losses() == before


@EACH
def test_a_right_change_is_certified_alone_and_in_a_model(place):
    assert certified(change(place), 1).passed
    assert certified_model(change(place), 1).passed


@EACH
def test_two_spellings_that_differ_are_not_certified(place):
    other = find_exercise("12c").variants[place].other
    assert not certified(change(place, scalar=other), 1).passed
    assert not certified_model(change(place, scalar=other), 1).passed
