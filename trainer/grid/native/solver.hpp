// Sequential minimal optimisation of a C-SVC for two classes.
//
// Steps, tolerances and tie rules are those of libsvm, so that the numbers of iterations are, too:
// working sets by second-order information (Fan, Chen and Lin, "Working set selection using second
// order information for training support vector machines", 2005), shrinking and reconstruction of
// the gradient (Chang and Lin, "LIBSVM: a library for support vector machines", 2011, section 5).
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "passes.hpp"

// A square matrix of float32 whose rows can be read a little beyond their end.
class Rows {
public:
    explicit Rows(long count)
        : stride_((count + 2 * PADDING - 1) / PADDING * PADDING),
          values_(new float[static_cast<std::size_t>(count) * stride_ + PADDING]) {}

    float* operator[](long row) { return values_.get() + row * stride_; }
    const float* operator[](long row) const { return values_.get() + row * stride_; }

private:
    long stride_;
    std::unique_ptr<float[]> values_;
};

// The kernel matrix of a pair: the vectors of the first class, then those of the second.
struct PairKernel {
    long count;                    // of vectors
    long first_count;              // of those that belong to the first class
    Rows rows;                     // as float32, as in libsvm's cache
    std::vector<double> diagonal;  // as float64, as libsvm's is

    // Room for rows in another order, for one solution after the other; made when needed.
    std::unique_ptr<Rows> reordered;

    PairKernel(long first, long second)
        : count(first + second),
          first_count(first),
          rows(count),
          diagonal(static_cast<std::size_t>(count)) {}
};

struct Bounds {
    double first;  // C of the first class
    double second;
};

struct Limits {
    long iterations;
    double tolerance;
    const std::atomic<bool>* stop;  // may be set by another thread; the solution is then useless
};

struct PairSolution {
    std::vector<double> coefficients;  // alpha times +1 or -1, one for each vector
    double rho = 0;
    long iterations = 0;
    bool converged = false;
    bool finite = true;   // no coefficient has overflowed
    bool bounded = false;  // some alpha met its C: a larger C would take another path
};

PairSolution solve(PairKernel& kernel, Bounds C, const Limits& limits, const Passes& passes);
