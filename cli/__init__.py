"""The command line: the only floor that writes to the terminal. `parse` turns words into a command, `main` runs it."""

from .app import main, parse

__all__ = ["main", "parse"]
