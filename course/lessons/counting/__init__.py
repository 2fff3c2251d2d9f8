"""Lesson 4: a model that counts."""
