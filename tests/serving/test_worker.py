"""The thread that owns the model: queues have ends, who leaves is dropped, nothing ends twice."""

import threading
import time

import pytest
from served import model, text

from nanochat.serving.worker import Closing, QueueFull, TooLate, Worker


class Counts:
    def __init__(self):
        self.finishes, self.n_steps = [], 0

    def began(self, n_prompt, waited_s):
        pass

    def stepped(self, n_rows, step_s):
        self.n_steps += 1

    def ended(self, finish):
        self.finishes.append(finish)


class Held:
    """A sink that tells when its text is over, and can hold the model's thread at the first event."""

    def __init__(self, hold=False):
        self.events, self.over, self.begun, self.go = [], threading.Event(), threading.Event(), threading.Event()
        if not hold:
            self.go.set()

    def __call__(self, event):
        self.events.append(event)
        self.begun.set()
        assert self.go.wait(10)
        if event.finish:
            self.over.set()


@pytest.fixture
def worker():
    made = Worker(model().model, max_batch=2, max_queue=3, observer=Counts())
    yield made
    made.close()


def held(worker):
    """The model's thread, standing still in the middle of a text."""
    sink = Held(hold=True)
    long = text(model(), "Lima", 1, n=40, sink=sink)
    worker.submit([long])
    assert sink.begun.wait(10)
    return long, sink


def test_every_text_ends_once(worker):
    sinks = [Held() for _ in range(3)]
    worker.submit([text(model(), "what is", i, sink=sink) for i, sink in enumerate(sinks)])
    assert all(sink.over.wait(10) for sink in sinks)
    assert [sum(bool(event.finish) for event in sink.events) for sink in sinks] == [1, 1, 1]
    worker.close()
    assert len(worker._observer.finishes) == 3


def test_a_full_queue_refuses_all_of_a_request(worker):
    _, sink = held(worker)
    worker.submit([text(model(), "what", i, sink=Held()) for i in range(3)])
    with pytest.raises(QueueFull):
        worker.submit([text(model(), "what", 9, sink=Held())])
    assert worker.n_waiting == 3
    sink.go.set()


def test_who_leaves_is_dropped_within_a_step_and_out_of_the_queue(worker):
    long, sink = held(worker)
    waiting = text(model(), "what", 2, sink=Held())
    worker.submit([waiting])
    worker.cancel([long, waiting])
    n_before = long.n_new
    sink.go.set()
    assert sink.over.wait(10)
    assert waiting.sink.over.wait(10)
    if long.finish == "cancelled":
        assert long.n_new <= n_before + 1
    assert (waiting.finish, waiting.n_new) == ("cancelled", 0)


def test_who_waits_too_long_is_told(worker):
    _, sink = held(worker)
    late = text(model(), "what", 2, sink=Held(), deadline=time.monotonic() - 1)
    worker.submit([late])
    sink.go.set()
    assert late.sink.over.wait(10)
    assert isinstance(late.sink.events[-1].error, TooLate)


def test_what_is_called_is_done_between_steps_and_waits_in_the_same_queue(worker):
    long, sink = held(worker)
    asked = [worker.call(lambda: (threading.current_thread().name, long.n_new)) for _ in range(2)]
    unwanted = worker.call(lambda: pytest.fail("nobody waits for it"))
    with pytest.raises(QueueFull):
        worker.call(print)
    assert unwanted.cancel()
    assert not any(one.done() for one in asked)
    sink.go.set()
    (thread, first), (_, second) = (one.result(10) for one in asked)
    assert thread == "model"
    assert first < second or long.finish  # one a step
    assert sink.over.wait(10)


def test_a_bug_in_a_call_is_its_askers(worker):
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 // 0).result(10)
    assert worker.call(lambda: 7).result(10) == 7


def test_a_server_that_ends_takes_nothing_more_and_finishes_what_it_took(worker):
    long, sink = held(worker)
    asked = worker.call(lambda: 7)
    worker.end()
    assert not worker.is_ready
    for refused in (lambda: worker.call(print), lambda: worker.submit([text(model(), "what", sink=Held())])):
        with pytest.raises(Closing):
            refused()
    sink.go.set()
    assert asked.result(10) == 7
    assert sink.over.wait(10)
    assert long.finish in ("stop", "length")


def test_a_bug_in_a_step_ends_the_texts_and_not_the_thread(worker, monkeypatch, caplog):
    def broken():
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(worker.batch, "_read", broken)
        sink = Held()
        worker.submit([text(model(), "Lima", 1, n=40, sink=sink)])
        assert sink.over.wait(10)
    assert isinstance(sink.events[-1].error, RuntimeError)
    assert "a bug" in caplog.text
    after = Held()
    worker.submit([text(model(), "Lima", 1, sink=after)])
    assert after.over.wait(10)
    assert not after.events[-1].error


def test_a_worker_that_closes_finishes_what_it_answers_and_refuses_what_waits(worker):
    long, sink = held(worker)
    waiting = text(model(), "what", 2, sink=Held())
    worker.submit([waiting])
    closing = threading.Thread(target=worker.close)
    closing.start()
    while worker.is_ready:
        time.sleep(0.001)
    sink.go.set()
    closing.join(10)
    assert long.finish in ("stop", "length")
    assert isinstance(waiting.sink.events[-1].error, Closing) or waiting.finish in ("stop", "length")
    with pytest.raises(Closing):
        worker.submit([text(model(), "what", sink=Held())])
