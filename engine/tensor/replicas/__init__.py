"""One batch by several copies of a model, in this process and in others: `Accumulator`."""

from .accumulate import Accumulator

__all__ = ["Accumulator"]
