"""What a record holds: every op, replayed on other numbers, gives its own bits; what cannot be held is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nanochat.engine.tensor import ops
from nanochat.engine.tensor.recording import Recording, Unrecordable
from nanochat.engine.tensor.replay import Replay

sys.path.append(str(Path(__file__).parent))
from op_cases import CASES


def draw(arrays, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return [np.asarray(np.abs(rng.standard_normal(x.shape)) * scale + 0.1, x.dtype) for x in arrays]


def outputs_of(op, arrays, static, g):
    y, vjp = op(*arrays, **static)
    return [y, *vjp(g(y))]


def assert_replays(op, arrays, static, other):
    """A record of op and its gradient, made with `arrays`, gives what op gives for `other`, to the bit."""
    recording, inside = Recording(), [x.copy() for x in arrays]
    y = np.asarray(op(*arrays, **static)[0])
    (g,), (other_g,) = draw([y], 1), draw([y], 2)
    inside_g = g.copy()

    outputs = outputs_of(op, [recording.outside(x) for x in inside], static, lambda y: recording.outside(inside_g))
    expected = outputs_of(op, arrays, static, lambda y: g)
    for output, x in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(getattr(output, "array", output), x)

    replay = Replay(recording.calls, outputs)
    for x, place in zip([*other, other_g], [*inside, inside_g], strict=True):
        place[...] = x
    replay.run()
    for found, x in zip(replay.outputs, outputs_of(op, other, static, lambda y: other_g), strict=True):
        np.testing.assert_array_equal(found, x)


RECORDED = [(name, case) for name, cases in CASES.items() for case in range(len(cases)) if name != "dropout"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "case"), RECORDED)
def test_every_op_replays_with_its_own_bits(name, case, dtype):
    arrays, static = CASES[name][case]
    arrays = [x.astype(dtype) for x in arrays]
    if name == "attention" and "lengths" in static:
        pytest.skip("rows of different length are decoded, not trained")

    assert_replays(getattr(ops, name), arrays, static, draw(arrays, 3))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0, np.inf, np.nan])
@pytest.mark.parametrize("name", ["attention", "cross_entropy", "self_attention", "softmax"])
def test_a_replay_decides_anew_what_may_overflow(name, scale):
    arrays, static = CASES[name][0]
    with np.errstate(all="ignore"):
        assert_replays(getattr(ops, name), list(arrays), static, draw(arrays, 4, scale))


def test_ids_and_targets_may_be_others():
    rng, recording = np.random.default_rng(0), Recording()
    weight, ids = rng.standard_normal((300, 4)), rng.integers(0, 300, (2, 5))
    other = rng.integers(0, 300, (2, 5))

    y, vjp = ops.embedding(recording.outside(weight), ids=recording.outside(ids))
    replay = Replay(recording.calls, [y, *vjp(y)])
    ids[...] = other
    replay.run()

    expected, back = ops.embedding(weight, ids=other)
    np.testing.assert_array_equal(replay.outputs[0], expected)
    np.testing.assert_array_equal(replay.outputs[1], back(expected)[0])
    ids[0, 0] = 300
    with pytest.raises(IndexError):
        replay.run()
    ids[0, 0] = -1
    with pytest.raises(IndexError, match="id -1 is negative: a table of 300 rows"):
        replay.run()


def test_views_cost_no_call():
    recording = Recording()
    x = recording.outside(np.arange(24.0).reshape(2, 3, 4))

    y = x.transpose(0, 2, 1)[:, 1:].swapaxes(0, 1).T

    assert not recording.calls
    assert y.shape == np.arange(24.0).reshape(2, 3, 4).transpose(0, 2, 1)[:, 1:].swapaxes(0, 1).T.shape
    x.transpose(0, 2, 1).reshape(-1)  # which has to copy
    assert len(recording.calls) == 1


def test_a_part_that_is_changed_in_place_is_not_copied_onto_itself():
    recording = Recording()
    x = recording.outside(np.ones((3, 4)))

    x[1:] *= 2.0
    x[0] += 1.0

    assert [call.function for call in recording.calls] == [np.multiply, np.add]
    np.testing.assert_array_equal(x.array[:, 0], [2, 2, 2])


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (lambda x: np.asarray(x), "is read otherwise than by functions and operators"),
        (lambda x: float(x[0, 0]), "a number of Python is made of an array of the step"),
        (lambda x: int(x[0, 0]), "a number of Python"),
        (lambda x: [0, 1][x[0, 0]], "a number of Python"),
        (lambda x: bool((x > 0)[0, 0]), "a decision by the numbers"),
        (lambda x: 1 if x else 0, "a decision by the numbers"),
        (lambda x: max(x[0], x[1]), "a decision by the numbers"),
        (lambda x: x.item(0), "item of an array of the step"),
        (lambda x: x.tolist(), "tolist"),
        (lambda x: memoryview(x), "bytes-like"),
        (lambda x: np.array_equal(x, x), "array_equal makes bool"),
        (lambda x: np.multiply(x, x, np.empty((2, 3))), r"writes into an array \(2, 3\) that was made without like="),
        (lambda x: np.empty((2, 3)).__setitem__(0, x[0]), "is read otherwise"),
        (lambda x: np.empty((2, 3)).__iadd__(x), "made without like="),
        (lambda x: np.modf(x), "modf"),
        (lambda x: np.add.accumulate(x), "accumulate"),
        (lambda x: x.sort(), "sort"),
        (lambda x: np.linalg.svd(x), "several"),
    ],
)
def test_what_a_record_cannot_hold_is_refused(what, why):
    recording = Recording()
    with pytest.raises((Unrecordable, TypeError), match=why):
        what(recording.outside(np.ones((2, 3))))


def test_memory_with_gaps_is_refused():
    with pytest.raises(Unrecordable, match=r"\(3, 2\), does not lie in one piece"):
        Recording().outside(np.ones((3, 4))[:, :2])
