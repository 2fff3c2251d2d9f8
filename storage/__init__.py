"""Files, and what the system does to them: read, written whole or not at all, locked."""
