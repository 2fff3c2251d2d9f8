"""Lesson 9: the loop."""
