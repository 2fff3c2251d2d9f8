"""Every refusal in the shape that OpenAI's clients read: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DivergedError, NanochatError
from .worker import Closing, QueueFull, TooLate

_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    504: "timeout_error",
}


class ApiError(Exception):
    """A request that is not answered: status, one sentence, the field that is wrong, and a word for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.headers = status, code, param, dict(headers or {})

    def body(self) -> dict[str, Any]:
        """As JSON."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def unsupported(param: str, why: str) -> ApiError:
    """A field that would change the answer, and that nothing here obeys."""
    return ApiError(400, f"{param} is not supported here: {why}", code="unsupported_parameter", param=param)


def invalid(param: str | None, message: str, code: str = "invalid_value") -> ApiError:
    """A value that does not fit."""
    return ApiError(400, message, code=code, param=param)


def of_failure(error: Exception) -> ApiError:
    """What whoever asked reads of something that went wrong behind the door; a bug of ours tells nothing of itself."""
    if isinstance(error, QueueFull):
        return ApiError(
            429, "the queue is full: try again in a moment", code="queue_full", headers={"Retry-After": "1"}
        )
    if isinstance(error, Closing):
        return ApiError(503, "the server is shutting down", code="shutting_down", headers={"Retry-After": "5"})
    if isinstance(error, TooLate):
        return ApiError(504, "the answer took too long: ask for fewer tokens, or try again", code="timeout")
    if isinstance(error, DivergedError):
        return ApiError(500, str(error), code="model_not_finite")
    if isinstance(error, NanochatError):
        return invalid(None, str(error))
    return ApiError(500, "internal error: see the server's log", code="internal_error")
