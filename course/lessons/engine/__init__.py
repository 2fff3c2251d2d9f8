"""Lesson 2: an engine of one's own."""
