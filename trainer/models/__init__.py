"""Trained models: the support vector machine, its probabilities, and the file that holds it."""
