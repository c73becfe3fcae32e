#include "close_decisions.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace {

constexpr double UNKNOWN = std::numeric_limits<double>::quiet_NaN();

// Shares of a kernel value, far above what its roundings add up to: that of a product of rows by the
// thousand, and what a distance loses where it is the difference of squares, which e^x multiplies.
// Chance brings hardly a decision as near to 0.
constexpr double OF_PRODUCTS = 0x1p-40, OF_SQUARES = 0x1p-44;

}  // namespace

CloseDecisions::CloseDecisions(const Products& products, const Pair& pair, const Kernel& kernel,
                               Dot dot)
    : products_(products),
      pair_(pair),
      kernel_(kernel),
      dot_(dot),
      doubts_(static_cast<std::size_t>(products.testing_count)),
      kernels_(static_cast<std::size_t>(pair.count())),
      difference_(kernel.rbf ? static_cast<std::size_t>(products.originals.columns) : 0) {
    double square = 0;
    for (long t = 0; t < pair.count(); ++t)
        square = std::max(square, products.squares[pair.place(t)]);
    const long count = products.testing_count;
    const double* distances = products.nearest.distances.data();
    const double* inner = products.nearest.products.data();
    for (long k = 0; k < count; ++k) {
        const long a = pair.a * count + k, b = pair.b * count + k;
        if (kernel.rbf) {
            const double distance = std::max(0.0, std::min(distances[a], distances[b]));
            const double squares = square + products.testing_squares[k];
            doubts_[k] = (OF_PRODUCTS + OF_SQUARES * kernel.gamma * squares) *
                         std::exp(-kernel.gamma * distance);
        } else {
            const double base = kernel.gamma * std::max(inner[a], inner[b]);
            doubts_[k] = OF_PRODUCTS * (base * base * base);
        }
    }
}

double CloseDecisions::anew(const PairSolution& solution, long testing_row) {
    if (testing_row != row_) std::fill(kernels_.begin(), kernels_.end(), UNKNOWN);
    row_ = testing_row;
    const Originals& originals = products_.originals;
    const double* tested = originals.testing_row(testing_row);
    double sum = 0;
    for (long t = 0; t < pair_.count(); ++t) {
        if (solution.coefficients[t] == 0) continue;
        if (std::isnan(kernels_[t]))
            kernels_[t] = kernel_with(originals.training[pair_.place(t)], tested);
        sum += solution.coefficients[t] * kernels_[t];
    }
    return sum - solution.rho;
}

double CloseDecisions::kernel_with(const double* vector, const double* tested) {
    int columns = static_cast<int>(products_.originals.columns), step = 1;
    if (!kernel_.rbf) {  // a BLAS written in Fortran knows no const; it writes nothing
        const double base = kernel_.gamma * dot_(&columns, const_cast<double*>(tested), &step,
                                                 const_cast<double*>(vector), &step);
        return base * (base * base);
    }
    std::transform(tested, tested + columns, vector, difference_.begin(), std::minus<double>());
    return std::exp(-kernel_.gamma *
                    dot_(&columns, difference_.data(), &step, difference_.data(), &step));
}
