"""A class's submissions: read, run again and marked. Asked by `nanochat learn grade` and `roster`."""
