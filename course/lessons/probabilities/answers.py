"""Right and known wrong answers to exercise 3a: a softmax and a cross_entropy each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ....engine.scalar.value import Value
from ...exercise import Answer, Wrong
from ..nodes import NO_TUPLE, VALUE_INSIDE, misbuilt
from .formula import Formula

Values = Sequence[Value]
Softmax = Callable[[Formula, Values], Any]
Loss = Callable[[Formula, Values, int], Any]


def _add(values: Values) -> Value:
    total = values[0]
    for one in values[1:]:
        total = total + one
    return total


def _data(values: Values) -> list[float]:
    return [one.data for one in values]


# **** right


def _composed(v: Formula, xs: Values) -> list[Value]:
    largest = max(_data(xs))
    exps = [((x - largest) * (1 / v.temperature)).exp() for x in xs]
    total = _add(exps)
    return [e / total for e in exps]


def _jacobian(v: Formula, xs: Values) -> list[Value]:
    """Each probability as one node: d p_i / d x_j = p_i ([i = j] - p_j) / T"""
    p = v.softmax(_data(xs))
    rows = [[p_i * ((i == j) - p_j) / v.temperature for j, p_j in enumerate(p)] for i, p_i in enumerate(p)]
    return [Value(p_i, tuple(xs), tuple(row), "softmax") for p_i, row in zip(p, rows, strict=True)]


def _loss(v: Formula, logits: Values, target: int) -> Value:
    xs = _data(logits)
    return Value(v.loss(xs, target), tuple(logits), tuple(v.slopes(xs, target)), "cross_entropy")


def _loss_from_the_target(v: Formula, logits: Values, target: int) -> Value:
    """log sum_j exp(x_j - x_i), its largest term taken out"""
    xs = [x / v.temperature for x in _data(logits)]
    m = max(xs)
    log_total = m + math.log(sum(math.exp(x - m) for x in xs))
    p = [math.exp(x - log_total) for x in xs]
    n, s = len(xs), v.smoothing
    value = (1 - s) * (log_total - xs[target]) + s * (log_total - sum(xs) / n)
    slopes = [(p_i - s / n) / v.temperature for p_i in p]
    slopes[target] -= (1 - s) / v.temperature
    return Value(value, list(logits), slopes)


def _with(softmax: Softmax = _composed, loss: Loss = _loss) -> Callable[[Formula], Answer]:
    return lambda v: {
        "softmax": lambda xs: softmax(v, xs),
        "cross_entropy": lambda logits, target: loss(v, logits, target),
    }


RIGHT = (_with(), _with(_jacobian, _loss_from_the_target))


# **** misconceptions


def _no_maximum(v: Formula, xs: Values) -> list[Value]:
    exps = [(x / v.temperature).exp() for x in xs]
    total = _add(exps)
    return [e / total for e in exps]


def _maximum_above_only(v: Formula, xs: Values) -> list[Value]:
    largest = max(_data(xs)) + 0.5  # taken from the numerator, and not from the sum
    total = _add([(x / v.temperature).exp() for x in xs])
    return [((x - largest) / v.temperature).exp() / total for x in xs]


def _twice(v: Formula, xs: Values) -> list[Value]:
    return _composed(v, _composed(v, xs))


def _shares(v: Formula, xs: Values) -> list[Value]:
    total = _add(xs)
    return [x / total for x in xs]


def _fixed_total(v: Formula, xs: Values) -> list[Value]:
    largest = max(_data(xs))
    exps = [((x - largest) / v.temperature).exp() for x in xs]
    return [e / sum(_data(exps)) for e in exps]


def _plain_numbers(v: Formula, xs: Values) -> list[Value]:
    return [Value(p) for p in v.softmax(_data(xs))]


def _floats(v: Formula, xs: Values) -> list[float]:
    return v.softmax(_data(xs))


def _without_temperature_or_maximum(v: Formula, xs: Values) -> list[Value]:
    return _no_maximum(Formula(), xs)


def _without_temperature(v: Formula, xs: Values) -> list[Value]:
    return _composed(Formula(), xs)


def _times_temperature(v: Formula, xs: Values) -> list[Value]:
    return _composed(Formula(temperature=1 / v.temperature), xs)


def _reshaped(value: Callable[[float], float], slope: Callable[[float], float]) -> Loss:
    """The loss with its value, and each of its slopes, changed."""

    def loss(v: Formula, logits: Values, target: int) -> Value:
        xs = _data(logits)
        return Value(value(v.loss(xs, target)), tuple(logits), [slope(one) for one in v.slopes(xs, target)])

    return loss


def _other_slopes(slopes: Callable[[Formula, list[float], int], list[float]]) -> Loss:
    def loss(v: Formula, logits: Values, target: int) -> Value:
        xs = _data(logits)
        return Value(v.loss(xs, target), tuple(logits), slopes(v, xs, target))

    return loss


def _log_of_softmax(v: Formula, logits: Values, target: int) -> Value:
    xs = _data(logits)
    logs = [math.log(p) if p > 0 else -math.inf for p in v.softmax(xs)]
    value = -sum(q * log for q, log in zip(v.wanted(len(xs), target), logs, strict=True) if q)
    return Value(value, tuple(logits), v.slopes(xs, target))


def _log_of_zero(v: Formula, logits: Values, target: int) -> Value:
    """As math has it: log(0) is an error."""
    p = v.softmax(_data(logits))[target]
    if p == 0:
        math.log(p)
    return _loss(v, logits, target)


def _slopes_as_values(v: Formula, logits: Values, target: int) -> Value:
    loss = _loss(v, logits, target)
    return misbuilt(loss.data, tuple(logits), [Value(slope) for slope in loss.local_grads])


def _several_nodes(v: Formula, logits: Values, target: int) -> Value:
    return _loss(v, logits, target) * 1.0


def _at_the_next(v: Formula, xs: list[float], target: int) -> list[float]:
    return v.slopes(xs, (target + 1) % len(xs))


def _probabilities(v: Formula, xs: list[float], target: int) -> list[float]:
    return [p / v.temperature for p in v.softmax(xs)]


def _target_alone(v: Formula, xs: list[float], target: int) -> list[float]:
    return [slope if i == target else 0.0 for i, slope in enumerate(v.slopes(xs, target))]


def _slopes_of_a_sure_target(v: Formula, xs: list[float], target: int) -> list[float]:
    return Formula(temperature=v.temperature).slopes(xs, target)


def _slopes_of_the_scaled(v: Formula, xs: list[float], target: int) -> list[float]:
    return [slope * v.temperature for slope in v.slopes(xs, target)]


def _without_smoothing(v: Formula, logits: Values, target: int) -> Value:
    return _loss(Formula(temperature=v.temperature), logits, target)


def _is_warm(v: Formula) -> bool:
    return v.temperature != 1


_NO_TEMPERATURE = "this is softmax without the temperature that your formula has."
_LOG_OF_ZERO = (
    "a probability so small that a float calls it 0 was given to log. Take the logarithm of the quotient first, on "
    "paper: what is left to compute?"
)
WRONG = (
    Wrong(
        name="no maximum",
        answer=_with(_no_maximum),
        sentence="exp(1000) is larger than any float, so the quotient is inf / inf. The law above it says what you "
        "may do about that: which number would you take from every x?",
    ),
    Wrong(
        name="maximum above only",
        answer=_with(_maximum_above_only),
        sentence="a number was taken from the x above the line and not from those below it, so they no longer sum to "
        "1.",
    ),
    Wrong(
        name="softmax of softmax",
        answer=_with(_twice),
        sentence="softmax was taken twice. Its result lies between 0 and 1, so a second one makes all of them nearly "
        "equal.",
    ),
    Wrong(
        name="shares",
        answer=_with(_shares),
        sentence="these are shares of the numbers themselves. Logits may be negative: what makes every number "
        "positive?",
    ),
    Wrong(
        name="the total stands still",
        answer=_with(_fixed_total),
        sentence="the values are right, and the total below the line is a plain number. When one x grows, all others "
        "lose: that path is missing.",
    ),
    Wrong(
        name="plain numbers",
        answer=_with(_plain_numbers),
        sentence="the values are right, and the graph does not reach the logits: no slope comes back from softmax.",
    ),
    Wrong(
        name="without the temperature",
        answer=_with(_without_temperature),
        sentence=_NO_TEMPERATURE,
        applies=_is_warm,
    ),
    Wrong(
        name="without the temperature, and no maximum",
        answer=_with(_without_temperature_or_maximum),
        sentence=_NO_TEMPERATURE,
        applies=_is_warm,
    ),
    Wrong(
        name="floats",
        answer=_with(_floats),
        sentence="softmax gives plain numbers, which remember nothing. The functions of math make them; a Value has "
        "its own `exp`.",
    ),
    Wrong(
        name="times the temperature",
        answer=_with(_times_temperature),
        sentence="the temperature multiplies, where it should divide: a higher one makes probabilities more equal.",
        applies=_is_warm,
    ),
    Wrong(
        name="bits",
        answer=_with(loss=_reshaped(lambda x: x / math.log(2), lambda g: g / math.log(2))),
        sentence="that is the surprise in bits (log2). 1.386 nats are 2 bits, and this project counts nats.",
    ),
    Wrong(
        name="no minus",
        answer=_with(loss=_reshaped(lambda x: -x, lambda g: -g)),
        sentence="the loss is negative: a logarithm of a probability is, and surprise is minus that.",
    ),
    Wrong(
        name="slopes upside down",
        answer=_with(loss=_reshaped(lambda x: x, lambda g: -g)),
        sentence="the loss is right and its slopes have the wrong sign: raising the target's logit lowers the loss.",
    ),
    Wrong(
        name="one at the wrong place",
        answer=_with(loss=_other_slopes(_at_the_next)),
        sentence="1 was taken from the wrong probability. The slope of the target must be negative: raising its logit "
        "lowers the loss.",
    ),
    Wrong(
        name="no one taken",
        answer=_with(loss=_other_slopes(_probabilities)),
        sentence="the slopes are the probabilities, which sum to 1. Push every logit up by the same: does the loss "
        "move?",
    ),
    Wrong(
        name="the target alone",
        answer=_with(loss=_other_slopes(_target_alone)),
        sentence="only the target's logit has a slope. The others stand below the line: raising one of them takes from "
        "the target.",
    ),
    Wrong(
        name="log of 0",
        answer=_with(loss=_log_of_softmax),
        sentence=_LOG_OF_ZERO,
    ),
    Wrong(
        name="log of 0, as math has it",
        answer=_with(loss=_log_of_zero),
        sentence=_LOG_OF_ZERO,
    ),
    Wrong(
        name="Values as slopes",
        answer=_with(loss=_slopes_as_values),
        sentence=VALUE_INSIDE,
    ),
    Wrong(
        name="no tuple",
        answer=_with(loss=lambda v, logits, target: misbuilt(v.loss(_data(logits), target), tuple(logits), 1.0)),
        sentence=NO_TUPLE,
    ),
    Wrong(
        name="several nodes",
        answer=_with(loss=_several_nodes),
        sentence="cross_entropy took several nodes. A vocabulary of 50,000 makes that 100,000 nodes a letter; as one "
        "node it is a single tuple of slopes.",
    ),
    Wrong(
        name="slopes without smoothing",
        answer=_with(loss=_other_slopes(_slopes_of_a_sure_target)),
        sentence="the loss is right, and its slopes are those for a target that is sure: where does the wanted "
        "probability of each answer enter?",
        applies=lambda v: v.smoothing > 0,
    ),
    Wrong(
        name="slopes without the temperature",
        answer=_with(loss=_other_slopes(_slopes_of_the_scaled)),
        sentence="the loss is right, and its slopes are those for the logits after the division. One more step of the "
        "chain rule leads back to the logits themselves.",
        applies=_is_warm,
    ),
    Wrong(
        name="without smoothing",
        answer=_with(loss=_without_smoothing),
        sentence="this is the loss for a target that is sure. Your formula gives every other answer a little, too.",
        applies=lambda v: v.smoothing > 0,
    ),
)
