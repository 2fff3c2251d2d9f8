"""nanochat: automatic differentiation and transformers, twice: in single numbers and in arrays.

Names are resolved when they are first used, so that importing the package costs nothing and the scalar
engine runs without NumPy. No import statement may stand here (it would break test collection).
"""

__version__ = "0.1.0"

_HOMES = {
    "Tensor": "nanochat.engine.tensor",
    "Value": "nanochat.engine.scalar",
    "load": "nanochat.inference.language_model",
    "train": "nanochat.training.train",
    "GPTConfig": "nanochat.models.gpt.config",
}

__all__ = ["GPTConfig", "Tensor", "Value", "__version__", "load", "train"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nanochat' has no attribute {name!r}: it offers {', '.join(__all__)}")
    home = __import__(_HOMES[name], fromlist=["*"])
    return getattr(home, name)


def __dir__() -> list[str]:
    return __all__
