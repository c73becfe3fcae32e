"""The compiled solver; absent where no compiler was when the package was installed.

===========================  ==================================================================
`passes.hpp`, `passes.cpp`   the inner loops, compiled once for each instruction set
`instruction_sets.cpp`       which of them this processor can run
`solver.hpp`, `solver.cpp`   sequential minimal optimisation of one pair of classes
`run.hpp`, `run.cpp`         work items (kernel matrix, pair, path along C) on threads
`module.cpp`                 what Python sees, as ``trainer.grid.native._native``
===========================  ==================================================================
"""
