"""Which sentence an answer gets: that of the mistake it is, of one of two mistakes, or none."""

import math

from nanochat.course.judging import judge
from nanochat.course.lessons import find_exercise
from nanochat.engine import Value

BEND = find_exercise("1a")
CURVE = BEND.variants["softplus"]


def why(value, slope):
    answer = {"bend": lambda x: Value(value(x.data), (x,), (slope(x.data),))}
    return judge(BEND, answer, "softplus", 1).why


def sentence(name):
    return next(one.sentence for one in BEND.wrong if one.name == name)


def test_a_known_mistake_is_named():
    assert why(CURVE.f, lambda x: float(x > 0)) == sentence("a corner")


def test_of_two_mistakes_one_that_breaks_a_law_here_is_named():
    assert why(lambda x: math.log(1 + math.exp(x)), lambda x: -CURVE.slope(x)) == sentence("sign")


def test_a_mistake_that_breaks_none_of_the_broken_laws_explains_nothing():
    """The value is another function's; that exp overflows, too, is not why."""
    assert why(lambda x: math.exp(x) - 1, lambda x: math.exp(x)) == ""


def test_an_unknown_mistake_is_not_explained():
    assert why(lambda x: CURVE.f(x) + 0.1, CURVE.slope) == ""


def test_a_blank_left_in_a_value_is_a_broken_law_and_no_crash():
    assert judge(BEND, {"bend": lambda x: Value(..., (x,), (1.0,))}, "softplus", 1).verdicts[0].state == "broken"


def test_a_mistake_that_gives_a_word_explains_that_word_alone():
    """An error and a word have no numbers, either of them; that makes them no more alike."""
    assert judge(BEND, {"bend": lambda x: CURVE.f(x.data)}, "softplus", 1).why == sentence("a plain number")
    assert judge(BEND, {"bend": lambda x: x.no_such_name}, "softplus", 1).why == ""


def test_two_mistakes_in_an_unfinished_file_are_not_said_to_be_right_numbers():
    """Softmax without its temperature, and a loss of several nodes: the first law that is broken is what is told."""

    def softmax(xs):
        exps = [x.exp() for x in xs]
        return [e / sum(exps) for e in exps]

    exercise = find_exercise("3a")
    answer = {"softmax": softmax, "cross_entropy": lambda logits, target: -softmax(logits)[target].log()}
    assert "without the temperature" in judge(exercise, answer, "temperature 3", 1).why
