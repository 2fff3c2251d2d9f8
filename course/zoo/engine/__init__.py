"""Bugs of the engine: a derivative that is none, a graph walked wrongly, a norm that forgets a term."""
