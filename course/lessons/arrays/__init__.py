"""Lesson 5: the same in arrays."""
