// Columns that several sets of rows have in common.
//
// Each fold scales a column to the range of the rows that it trains on. That is the range of all
// rows, but for the fold that holds the smallest value out and the one that holds the largest: of
// five folds three or four have the same values, and need to multiply them once.
#pragma once

#include <functional>
#include <vector>

#include "threads.hpp"

// A training set and the rows that it is tested on.
struct RowSet {
    std::vector<const double*> rows;  // of d values; in an order that all sets have
    std::vector<long> places;         // of each in the training set, or -1 - that among those tested
    long trained, tested, d;
};

struct Columns {
    std::vector<long> sets;     // that have them, ascending
    std::vector<long> columns;  // of the first of these sets
};

// Every column of every set is in one of them. Values are the same where their bits are. Once
// `stopped`, which is asked now and then, there is no knowing what is returned.
std::vector<Columns> common_columns(const std::vector<RowSet>& sets, Team& team,
                                    const std::function<bool()>& stopped);
