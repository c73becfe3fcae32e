// The inner products that the solver works on: of the rows of a training set with each other, and
// of the rows that it is tested on with them.
#pragma once

#include <functional>
#include <vector>

#include "products.hpp"

struct RowSet {
    std::vector<const double*> training, testing;  // each row has d values
    long d;
};

struct Multiplied {
    double* training;         // (n, n)
    double* testing;          // (n, n_testing)
    double* testing_squares;  // (n_testing,)
};

// Some seconds for 20,000 rows of 700 values. The calling thread asks `interrupted` between slices,
// which take it milliseconds; once that says yes all threads stop, and what is out is incomplete.
// Returns whether it is complete.
bool multiply_all(const RowSet& rows, const Multiplied& out, const Multiplier& multiplier,
                  int threads, const std::function<bool()>& interrupted);
