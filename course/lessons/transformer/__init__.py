"""Lesson 8: a GPT."""
