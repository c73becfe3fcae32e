"""Training: ground truth and descriptors in, a model out. No database, daemon or network."""
