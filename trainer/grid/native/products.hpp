// Inner products of rows, without a BLAS: sums have one order on every machine and with any number
// of threads, and no other threads go on spinning beside the solver's.
//
// This header and products.cpp hold nothing that another translation unit may share, see passes.hpp.
#pragma once

struct Multiplier {
    long columns;  // how many rows are packed together, side by side: panel[k * columns + row]

    // Puts values of `count` rows (at most `columns`; zeros take the place of the others) side by
    // side: those of the `depth` places `which`.
    void (*pack)(double* panel, const double* const* rows, long count, const long* which,
                 long depth);

    // out[i * stride + j] = the inner product of rows i and j of panels one after the other, which
    // begin `apart` values from each other and have `depth` values of each row; it is added to what
    // is there unless it is the first. Panels of `right` that are more than `beyond` panels further
    // than that of `left` are left out.
    void (*multiply)(double* out, long stride, const double* left, long left_panels,
                     const double* right, long right_panels, long apart, long depth, long beyond,
                     bool first);

    // sums[k] += values[k]
    void (*add)(double* sums, const double* values, long count);
};
