"""Lesson 3: probabilities."""
