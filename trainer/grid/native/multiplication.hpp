// The inner products that the solver works on: of the rows of training sets with each other, and
// of the rows that they are tested on with them.
#pragma once

#include <functional>
#include <vector>

#include "columns.hpp"
#include "products.hpp"

struct Multiplied {
    double* training;         // see Products; n (n + 1) / 2
    double* testing;          // (n, n_testing)
    double* testing_squares;  // (n_testing,)
};

// Some seconds for 20,000 rows of 700 values. The calling thread asks `interrupted` between slices,
// which take it milliseconds; once that says yes all threads stop, and what is out is incomplete.
// Returns whether it is complete.
bool multiply_all(const std::vector<RowSet>& sets, const std::vector<Multiplied>& out,
                  const Multiplier& multiplier, int threads,
                  const std::function<bool()>& interrupted);
