"""Files to rows, rows to files."""
