"""Text to batches of ids. Knows no model.

config.py: what a model reads.  corpus.py: what a corpus is, load.py: from its name to its text, split.py: training and
validation, and style.  chat.py: conversations.  vocabulary.py: a tokenizer for them.  tokens.py: ids in one array,
packing.py, bestfit.py and batches.py: cut into rows.  dataset.py: all of it in a row, memo.py: once in a process.
files/: JSON, JSON Lines and CSV.  large/: texts larger than memory.  builtin/: texts that come with the package.
"""
