"""Measuring the trainer beside the obvious alternatives, on data that are made."""
