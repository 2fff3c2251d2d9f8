"""Texts larger than memory, and tokens kept on disk."""
