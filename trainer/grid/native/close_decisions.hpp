// Decisions that are 0 but for rounding, made anew with the arithmetic of scikit-learn's predictions.
//
// Of copies of a document under several classes the kernels cancel each other, and what is left is
// how each of them was rounded: to fall to the same side, it has to be the same to the last bit. So
// distances are here sums of squared differences, and inner products, of the BLAS that scikit-learn
// calls (scipy's, with what that chose for the processor); e^x is the C library's.
#pragma once

#include <cmath>
#include <vector>

#include "kernels.hpp"
#include "solver.hpp"

// ddot of a BLAS: count, x, its step, y, its step.
using Dot = double (*)(int*, double*, int*, double*, int*);

// The decisions of one pair of classes with one kernel.
class CloseDecisions {
public:
    CloseDecisions(const Products& products, const Pair& pair, const Kernel& kernel, Dot dot);

    // Whether rounding may turn a decision round; `size` is the sum of its coefficients' magnitudes.
    bool holds(double decision, double size, long testing_row) const {
        return std::abs(decision) < size * doubts_[static_cast<std::size_t>(testing_row)];
    }
    // Calls for one testing row after the other share its kernels.
    double anew(const PairSolution& solution, long testing_row);

private:
    double kernel_with(const double* vector, const double* tested);

    const Products& products_;
    const Pair& pair_;
    const Kernel kernel_;
    const Dot dot_;
    std::vector<double> doubts_;  // of each testing row, for coefficients of size 1
    long row_ = -1;
    std::vector<double> kernels_;  // of that row; not a number where it was not needed yet
    std::vector<double> difference_;
};
