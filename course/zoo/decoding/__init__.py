"""Bugs of decoding: caches, samplers, beams, tokenizers."""
