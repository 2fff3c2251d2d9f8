"""A model, its tokenizer and a run's state on disk: whole or not at all, verified when read, never pickle."""
