"""Automatic differentiation of arrays. NumPy only.

ops/: functions of arrays that know their own gradient.  tensor.py: the graph.  functional.py: ops on Tensors.
nn.py: layers.  optim.py, muon.py: optimizers.  Dependencies go one way: ops <- tensor <- functional <- nn <- optim.
Beside the core: recording.py <- replay.py <- steps.py: a step that repeats.  replicas.py: a batch on several threads.
"""

from .tensor import Tensor, array_of, no_grad

__all__ = ["Tensor", "array_of", "no_grad"]
