"""One run: steps, schedule, evaluation, guards, record."""
