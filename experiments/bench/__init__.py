"""How fast, and where the time goes."""
