"""Text to batches of ids. Knows no model.

corpus.py: a file or a built-in text; formats.py reads JSON, JSON Lines and CSV, chat.py knows conversations.
splitting.py: training and validation, and style.  vocabulary.py: a tokenizer for them.  batches.py, packing.py: ids cut
into rows.  dataset.py: all of it in a row; cache.py and large.py keep its tokens on disk.  builtin/, world/: texts that
come with the package.
"""

from .batches import Batch, Batches, evaluation_batches
from .chat import ChatTemplate, Conversation, Message
from .corpus import Corpus, load_corpus
from .dataset import Dataset, build_dataset
from .split import FUTURISTIC_WORDS, Split, split, style
from .tokens import TokenStream
from .vocabulary import TokenizerChoice

__all__ = [
    "FUTURISTIC_WORDS",
    "Batch",
    "Batches",
    "ChatTemplate",
    "Conversation",
    "Corpus",
    "Dataset",
    "Message",
    "Split",
    "TokenStream",
    "TokenizerChoice",
    "build_dataset",
    "evaluation_batches",
    "load_corpus",
    "split",
    "style",
]
