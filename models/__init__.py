"""Architectures: ids in, logits and loss out. Each is spelled twice, in Values and in arrays, from one config."""
