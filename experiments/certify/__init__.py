"""Scalar path, tensor path and finite differences, compared."""
