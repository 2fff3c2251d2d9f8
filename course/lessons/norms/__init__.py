"""Lesson 6: norms and the residual stream."""
