"""What a server takes from one request, and from all of them together."""

from __future__ import annotations

from dataclasses import dataclass

from ..setting import check_bounds, setting


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Each with its flag. Raises ConfigError for a number that makes no sense."""

    max_batch: int = setting(8, "Texts that are continued together.", flag="--max-batch", least=1, most=256)
    max_queue: int = setting(32, "Texts that may wait; more are refused with 429.", flag="--max-queue", least=1)
    max_body: int = setting(1 << 18, "Bytes of a request.", flag="--max-body", least=1, most=1 << 26)
    max_choices: int = setting(8, "Answers to one request: n times its prompts.", flag="--max-choices", least=1)
    max_connections: int = setting(256, "Requests that are answered at once.", flag="--max-connections", least=1)
    request_seconds: float = setting(
        120.0, "For a whole answer, waiting included.", flag="--request-seconds", above=0, most=86_400
    )
    body_seconds: float = setting(
        10.0, "For the head of a request to arrive, and again for its body.", flag="--body-seconds", above=0, most=3600
    )

    def __post_init__(self) -> None:
        check_bounds(self, "")
