"""Numbers only: intervals, tests, power."""
