"""What shows how it works."""
