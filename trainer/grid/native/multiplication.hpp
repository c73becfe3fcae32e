// The inner products that the solver works on: of the rows of a training set with each other, and
// of the rows that it is tested on with them.
#pragma once

#include <vector>

#include "products.hpp"

struct RowSet {
    std::vector<const double*> training, testing;  // each row has d values
    long d;
};

struct Multiplied {
    double* training;         // (n, n)
    double* testing;          // (n_testing, n)
    double* testing_squares;  // (n_testing,)
};

// Some seconds for 20,000 rows of 700 values; cannot be interrupted.
void multiply_all(const RowSet& rows, const Multiplied& out, const Multiplier& multiplier,
                  int threads);
