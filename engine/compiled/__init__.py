"""A graph of Values, replayed as calls of NumPy.

program.py: from a graph to the calls.  rules.py: what each op is on arrays.
"""
