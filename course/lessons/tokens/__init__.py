"""Lesson 11: tokens."""
