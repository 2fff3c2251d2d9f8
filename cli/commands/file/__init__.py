"""What lies on disk: data, tokenizers, checkpoints."""
