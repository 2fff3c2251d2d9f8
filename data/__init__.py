"""Text to batches of ids. Knows no model.

corpus.py: a file or a built-in text.  splitting.py: training and validation, and style.
batches.py: ids cut into rows.  dataset.py: the three in a row.  builtin/: texts that come with the package.
"""

from .batches import Batch, Batches, TokenStream, evaluation_batches
from .corpus import Corpus, load_corpus
from .dataset import Dataset, build_dataset
from .splitting import FUTURISTIC_WORDS, Split, split, style

__all__ = [
    "FUTURISTIC_WORDS",
    "Batch",
    "Batches",
    "Corpus",
    "Dataset",
    "Split",
    "TokenStream",
    "build_dataset",
    "evaluation_batches",
    "load_corpus",
    "split",
    "style",
]
