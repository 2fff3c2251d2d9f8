"""Files, and what the system does to them."""
