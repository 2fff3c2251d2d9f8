"""Tokenizers in other people's formats."""
