"""The search over preprocessings, kernels, C and gamma."""
