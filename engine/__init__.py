"""The calculus: of numbers (`scalar/`, the standard library only) and of arrays (`tensor/`, NumPy).

In numbers a local derivative is a number, so it is stored. In arrays it is a linear map, so the function
g -> g^T J is stored. Everything else is the same.

`from nanochat.engine import Value` does not import NumPy.
"""

from .scalar import Value

__all__ = ["Value"]
