"""A study: its variants, its cells, its files."""
