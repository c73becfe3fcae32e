// Inner products of rows, without a BLAS: sums have one order on every machine and with any number
// of threads, and no other threads go on spinning beside the solver's.
//
// This header and products.cpp hold nothing that another translation unit may share, see passes.hpp.
#pragma once

constexpr long MOST_ROWS = 64;  // of one call of `multiply`

struct Multiplier {
    long columns;  // of a panel: rows of the second matrix that are packed together

    // Puts `count` rows of d values (at most `columns`; zeros take the place of the others) side by
    // side: panel[k * columns + row].
    void (*pack)(double* panel, const double* const* rows, long count, long d);

    // out[row * stride + column] = the inner product of rows[row], of `count` (at most MOST_ROWS),
    // and the panels' row `column`, for `panels` panels one after the other; each has room for all
    // of its columns in `out`.
    void (*multiply)(double* out, long stride, const double* const* rows, long count,
                     const double* packed, long panels, long d);

    // The inner product of a row and itself, in the order of `multiply`.
    double (*square)(const double* row, long d);
};
