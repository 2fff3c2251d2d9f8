"""Lesson 1: a number that remembers."""
