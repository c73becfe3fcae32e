"""The compiled solver; absent where no compiler was when the package was installed.

======================  =======================================================================
`passes`, `products`    the inner loops, compiled once for each instruction set
`instruction_sets`      which of them this processor can run
`columns`               columns that several folds have in common
`multiplication`        inner products of all rows, on threads
`memory`, `kernels`     kernel matrices, made of the products and shared by work items
`solver`                sequential minimal optimisation of one pair of classes
`close_decisions`       decisions that are 0 but for rounding, made as scikit-learn makes them
`ballots`               votes of all pairs of a split, and what they come to
`run`                   work items (kernel matrix, pair, path along C) on threads, and decisions
`module.cpp`            what Python sees, as ``trainer.grid.native._native``
======================  =======================================================================
"""
