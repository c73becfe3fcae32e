// The inner loops of the solver: each one pass over arrays, in the widest vectors there are.
//
// This header and passes.cpp hold nothing that another translation unit may share (no inline
// function, no template of the standard library): the linker keeps one copy of such, and it might
// keep the one that only a newer processor can run.
#pragma once

// Arrays that are passed as `padded` can be read, and rows that are written can be written, this
// many elements beyond their end.
constexpr long PADDING = 8;

struct First {
    double violation;  // -f, the largest
    long index;        // -1: there is none
};

struct Second {
    double violation;  // the largest sum of both violations; the stopping rule looks at it
    long index;        // -1: there is none
};

// Of inner products cubed.
struct CubicRow {
    bool apart;             // each is smaller than what it would be for equal vectors, by a margin
    double least, largest;  // magnitudes, zeros left out
};

struct Passes {
    const char* name;

    // f += row_i * step_i + row_j * step_j; then the last of the largest -f + up.
    First (*update)(double* f, const float* row_i, const float* row_j, double step_i,
                    double step_j, const double* up, long count);

    // The last of the largest gains (violation + f)^2 / curvature among those with
    // violation + f + low > 0. `estimates` is room for two arrays, each padded.
    Second (*second)(const double* f, const double* low, const float* row, const double* diagonal,
                     double diagonal_i, double violation, double* estimates, long count);

    // sums += row * factor; each product and each sum is rounded by itself.
    void (*add)(double* sums, const float* row, double factor, long count);
    // The same for several rows, one after the other.
    void (*add_rows)(double* sums, const double* const* rows, const double* factors, long row_count,
                     long count);

    // out = exp(-gamma (square + squares - 2 products)); `clamped` takes distances below 0 for 0.
    void (*rbf)(float* out, const double* products, const double* squares, double square,
                double gamma, long count);
    void (*rbf_clamped)(double* out, const double* products, const double* squares, double square,
                        double gamma, long count);

    // out = (gamma products)^3
    void (*cubic)(float* out, const double* products, double gamma, long count);
    void (*cubic_wide)(double* out, const double* products, double gamma, long count);

    // The least of square + squares - 2 products.
    double (*least_distance)(const double* products, const double* squares, double square,
                             long count);

    CubicRow (*cubic_row)(const double* products, const double* norms, double norm, double margin,
                          long count);
};
