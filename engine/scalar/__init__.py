"""Automatic differentiation of single numbers. Imports the standard library only.

value.py: the number and its graph.  functional.py: functions of lists.  nn.py: layers.  optim.py: optimizers.
"""

from .value import Value

__all__ = ["Value"]
