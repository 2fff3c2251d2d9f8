"""A record made ready: calls that nobody needs are dropped, and no two buffers that live at once share a place."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nanochat.engine.tensor.recording import Buffer, Recording
from nanochat.engine.tensor.replay import Replay, lay_out

LIVES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=40)


@given(LIVES)
def test_buffers_that_live_at_once_lie_apart(lives):
    buffers = [Buffer(size) for size, _, _ in lives]
    births = {buffer: min(a, b) for buffer, (_, a, b) in zip(buffers, lives, strict=True)}
    deaths = {buffer: max(a, b) for buffer, (_, a, b) in zip(buffers, lives, strict=True)}

    offsets, n_bytes = lay_out({buffer: buffer.n_bytes for buffer in buffers}, births, deaths)

    for a in buffers:
        assert offsets[a] % 64 == 0
        assert offsets[a] + a.n_bytes <= n_bytes
        for b in buffers:
            at_once = a is not b and births[a] <= deaths[b] and births[b] <= deaths[a]
            if at_once and a.n_bytes and b.n_bytes:
                assert offsets[a] + a.n_bytes <= offsets[b] or offsets[b] + b.n_bytes <= offsets[a]


def test_a_place_is_used_again():
    buffers = [Buffer(64) for _ in range(100)]
    births = {buffer: i for i, buffer in enumerate(buffers)}

    _, n_bytes = lay_out(dict.fromkeys(buffers, 64), births, {buffer: i + 1 for buffer, i in births.items()})

    assert n_bytes == 128


def test_what_nobody_reads_is_not_worked_out():
    recording, x = Recording(), np.ones(3)
    r = recording.outside(x)
    needed = r + 1.0
    np.exp(r * 5.0)

    replay = Replay(recording.calls, [needed])

    assert len(replay.calls) == 1
    replay.run()
    np.testing.assert_array_equal(replay.outputs[0], [2, 2, 2])


def test_numbers_go_where_an_operand_lies_that_is_read_for_the_last_time():
    recording, x = Recording(), np.linspace(0, 1, 1000)
    r = recording.outside(x)
    y = np.exp(r)
    for _ in range(5):
        y = y * 0.5 + r
    replay = Replay(recording.calls, [y])

    replay.run()

    assert replay.n_bytes < 2 * 8192
    np.testing.assert_array_equal(replay.outputs[0], y.array)


def test_an_operand_that_is_read_again_stays():
    recording, x = Recording(), np.ones(4)
    r = recording.outside(x)
    a = r + 1.0
    b = a * 3.0
    c = a[::-1] * b  # a is read for the last time, but not where c would lie
    d = a.reshape(2, 2) + c.reshape(2, 2)
    replay = Replay(recording.calls, [d, b])

    replay.run()
    np.testing.assert_array_equal(replay.outputs[0], np.full((2, 2), 14.0))
    np.testing.assert_array_equal(replay.outputs[1], np.full(4, 6.0))


def test_outputs_stay_until_the_next_replay():
    recording, x = Recording(), np.ones(4)
    r = recording.outside(x)
    first = r + 1.0
    last = first
    for _ in range(10):
        last = last + r
    replay = Replay(recording.calls, [first, last])

    for factor in (1.0, 3.0):
        x[...] = factor
        replay.run()
        np.testing.assert_array_equal(replay.outputs[0], x + 1)
        np.testing.assert_array_equal(replay.outputs[1], 11 * x + 1)


def test_an_array_that_nothing_touches_is_an_output_all_the_same():
    recording = Recording()
    x = recording.outside(np.ones(3))

    replay = Replay(recording.calls, [x, None, np.zeros(2)])
    replay.run()

    np.testing.assert_array_equal(replay.outputs[0], np.ones(3))
    assert replay.outputs[1] is None
