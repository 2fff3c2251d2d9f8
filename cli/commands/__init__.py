"""One command, one file: its words above its work."""
