"""Bugs of training and of its data: targets, padding, batches, accumulation, optimizers, schedules."""
