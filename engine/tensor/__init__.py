"""Automatic differentiation of arrays. NumPy only.

ops/: functions of arrays that know their own gradient.  tensor.py: the graph.  functional.py: ops on Tensors.
nn.py: layers.  optim.py, muon.py: optimizers.  replicas.py: a batch on several threads.  memory.py: freed pages.
Dependencies go one way: ops <- tensor <- functional <- nn <- optim.
"""

from .tensor import Tensor, no_grad

__all__ = ["Tensor", "no_grad"]
