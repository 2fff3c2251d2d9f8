"""What is counted, in the text format that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SHORT = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)
_LONG = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics:
    """An Observer of the worker (worker.py) that also counts answers."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("nanochat_requests", "Answers", ["path", "status"], registry=registry)
        self._tokens = Counter("nanochat_tokens", "Tokens read and drawn", ["kind"], registry=registry)
        self._texts = Counter("nanochat_texts", "Texts, by how they ended", ["reason"], registry=registry)
        self._rows = Gauge("nanochat_batch_rows", "Texts in the last step", registry=registry)
        self._queue = Gauge("nanochat_queue_length", "Texts that wait", registry=registry)
        self._step = Histogram("nanochat_step_seconds", "A step of the batch", registry=registry, buckets=_SHORT)
        self._first = Histogram(
            "nanochat_time_to_first_token_seconds", "From request to first token", registry=registry, buckets=_LONG
        )

    def answered(self, path: str, status: int) -> None:
        """An answer has been sent, whole or not."""
        self._requests.labels(path, str(status)).inc()

    def began(self, n_prompt: int, waited_s: float) -> None:
        """A prompt was read and its first token drawn."""
        self._tokens.labels("prompt").inc(n_prompt)
        self._tokens.labels("completion").inc()
        self._first.observe(waited_s)

    def stepped(self, n_rows: int, step_s: float) -> None:
        """One more token of each row."""
        self._rows.set(n_rows)
        self._tokens.labels("completion").inc(n_rows)
        self._step.observe(step_s)

    def ended(self, finish: str) -> None:
        """A text is over."""
        self._texts.labels(finish).inc()

    def text(self, n_live: int, n_waiting: int) -> bytes:
        """All of it, with how many there are now."""
        self._rows.set(n_live)
        self._queue.set(n_waiting)
        return generate_latest(self._registry)
