#include "kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace {

// Up to the diagonal.
void fill_row(float* to, long row, const Products& products, const Kernel& kernel,
              const Passes& passes) {
    const double* from = products.training_row(row);
    const double* squares = products.squares.data();
    if (kernel.rbf)
        passes.rbf(to, from, squares, squares[row], kernel.gamma, row + 1);
    else
        passes.cubic(to, from, kernel.gamma, row + 1);
}

// values[above * stride + row] = values[row * stride + above], for four of each.
void mirror_four(float* values, long stride, long row, long above) {
    const float* from = values + row * stride + above;
    float* to = values + above * stride + row;
#if defined(__SSE2__)
    __m128 rows[4];
    for (long k = 0; k < 4; ++k) rows[k] = _mm_loadu_ps(from + k * stride);
    _MM_TRANSPOSE4_PS(rows[0], rows[1], rows[2], rows[3]);
    for (long k = 0; k < 4; ++k) _mm_storeu_ps(to + k * stride, rows[k]);
#else
    for (long k = 0; k < 4; ++k)
        for (long each = 0; each < 4; ++each) to[each * stride + k] = from[k * stride + each];
#endif
}

// Puts what lies left of the diagonal of some rows above it, too.
void mirror(float* values, long stride, long first_row, long last_row) {
    long done = 0;  // columns, of all rows
    if (last_row - first_row == SharedMatrix<float>::ROWS_AT_ONCE)
        for (; done < first_row; done += 4)
            for (long row = first_row; row < last_row; row += 4)
                mirror_four(values, stride, row, done);
    for (long above = done; above < last_row; ++above)
        for (long row = std::max(first_row, above + 1); row < last_row; ++row)
            values[above * stride + row] = values[row * stride + above];
}

}  // namespace

void fill_training(float* values, long stride, long first_row, const Products& products,
                   const Kernel& kernel, const Passes& passes) {
    constexpr long ROWS = SharedMatrix<float>::ROWS_AT_ONCE;
    const long last_row = std::min(first_row + ROWS, products.training_count);
    for (long row = first_row; row < last_row; ++row)
        fill_row(values + row * stride, row, products, kernel, passes);
    mirror(values, stride, first_row, last_row);
}

void fill_testing(double* values, long stride, long first_row, const Products& products,
                  const Kernel& kernel, const Passes& passes) {
    const long last_row =
        std::min(first_row + SharedMatrix<double>::ROWS_AT_ONCE, products.training_count);
    for (long row = first_row; row < last_row; ++row)
        fill_testing_row(values + row * stride, row, products, kernel, passes);
}

void fill_testing_row(double* to, long row, const Products& products, const Kernel& kernel,
                      const Passes& passes) {
    const long count = products.testing_count;
    const double* from = products.testing + row * count;
    if (kernel.rbf)
        passes.rbf_clamped(to, from, products.testing_squares.data(), products.squares[row],
                           kernel.gamma, count);
    else
        passes.cubic_wide(to, from, kernel.gamma, count);
}

double diagonal(double square, const Kernel& kernel) {
    if (kernel.rbf) return std::exp(-kernel.gamma * (square + square - 2 * square));
    const double base = kernel.gamma * square;
    return base * (base * base);
}

Nearest nearest(const Products& products) {
    const long count = products.testing_count;
    const std::size_t size = static_cast<std::size_t>(products.classes() * count);
    Nearest found{std::vector<double>(size, std::numeric_limits<double>::infinity()),
                  std::vector<double>(size, 0.0)};
    for (long one = 0; one < products.classes(); ++one) {
        double* least = found.distances.data() + one * count;
        double* largest = found.products.data() + one * count;
        for (long i = products.starts[one]; i < products.starts[one + 1]; ++i) {
            const double square = products.squares[i];
            const double* row = products.testing + i * count;
            for (long k = 0; k < count; ++k) {
                least[k] = std::min(least[k], square + products.testing_squares[k] - 2 * row[k]);
                largest[k] = std::max(largest[k], std::abs(row[k]));
            }
        }
    }
    return found;
}

std::vector<double> smallest_distances(const Products& products, const Passes& passes) {
    const std::size_t classes = products.starts.size() - 1;
    std::vector<double> smallest(classes * classes, std::numeric_limits<double>::infinity());
    for (std::size_t a = 0; a < classes; ++a)
        for (long i = products.starts[a]; i < products.starts[a + 1]; ++i) {
            const double* row = products.training_row(i);
            for (std::size_t b = 0; b <= a; ++b) {
                const long start = products.starts[b], end = b == a ? i : products.starts[b + 1];
                const double least =
                    passes.least_distance(row + start, products.squares.data() + start,
                                          products.squares[i], end - start);
                smallest[a * classes + b] = std::min(smallest[a * classes + b], least);
                smallest[b * classes + a] = smallest[a * classes + b];
            }
        }
    return smallest;
}

CubicRow cubic_range(const Products& products, double margin, const Passes& passes) {
    std::vector<double> norms(products.squares.size());
    for (std::size_t i = 0; i < norms.size(); ++i)
        norms[i] = products.squares[i] * products.squares[i] * products.squares[i];
    CubicRow range{true, std::numeric_limits<double>::infinity(), 0};
    for (long i = 0; i < products.training_count; ++i) {
        const double* row = products.training_row(i);
        const CubicRow found = passes.cubic_row(row, norms.data(), norms[i], margin, i);
        range.apart = range.apart && found.apart && std::isfinite(norms[i]);
        range.largest = std::max({range.largest, found.largest, norms[i]});
        range.least = std::min(range.least, found.least);
        if (norms[i] > 0) range.least = std::min(range.least, norms[i]);
    }
    return range;
}
