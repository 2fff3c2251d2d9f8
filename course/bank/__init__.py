"""Sixty questions to answer by hand, five a lesson: numbers follow from a seed, keys are computed."""
