"""Lesson 7: attention."""
