"""A trained model made smaller: quantised, pruned, or distilled into another. Knows no report."""
