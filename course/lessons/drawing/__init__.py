"""Lesson 10: drawing and remembering."""
