"""From the descriptors of a dataset to the matrix that a support vector machine gets."""
