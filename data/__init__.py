"""Text to batches of ids. Knows no model.

config.py: what a model reads.  corpus.py: a file or a built-in text; files/ reads JSON, JSON Lines and CSV, chat.py
knows conversations.  split.py: training and validation, and style.  vocabulary.py: a tokenizer for them.  batches.py,
packing.py: ids cut into rows.  dataset.py: all of it in a row; large/ keeps its tokens on disk.  builtin/: texts that
come with the package.
"""
