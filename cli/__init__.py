"""The command line, the only floor that writes to the terminal. `parse` makes work of words, `main` also does it."""

from .app import main, parse

__all__ = ["main", "parse"]
