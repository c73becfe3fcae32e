// Sequential minimal optimisation of a C-SVC for two classes.
//
// Steps, tolerances and tie rules are those of libsvm, so that the numbers of iterations are, too:
// working sets by second-order information (Fan, Chen and Lin, "Working set selection using second
// order information for training support vector machines", 2005), shrinking and reconstruction of
// the gradient (Chang and Lin, "LIBSVM: a library for support vector machines", 2011, section 5).
#pragma once

#include <atomic>
#include <vector>

#include "memory.hpp"
#include "passes.hpp"

// The kernel matrix of a pair: the vectors of the first class, then those of the second.
struct PairKernel {
    long count;                    // of vectors
    long first_count;              // of those that belong to the first class
    const float* values;           // as float32, as in libsvm's cache; rows are padded
    long stride;                   // from one row to the next
    std::vector<double> diagonal;  // as float64, as libsvm's is

    const float* row(long vector) const { return values + vector * stride; }
};

struct Bounds {
    double first;  // C of the first class
    double second;
};

struct Limits {
    long iterations;
    double tolerance;
    const std::atomic<bool>* stop;  // may be set by another thread; the solution is then useless
    std::atomic<long>* under_way;   // iterations of what is being solved, by all threads
};

struct PairSolution {
    std::vector<double> coefficients;  // alpha times +1 or -1, one for each vector
    double rho = 0;
    long iterations = 0;
    bool converged = false;
    bool finite = true;   // no coefficient has overflowed
    bool bounded = false;  // some alpha met its C: a larger C would take another path
};

// `room` is for rows in another order; it is filled anew each time.
PairSolution solve(const PairKernel& kernel, Bounds C, const Limits& limits, const Passes& passes,
                   Rows& room);
