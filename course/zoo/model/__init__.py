"""Bugs of the model: masks, scales, heads, positions, residual connections, first weights."""
