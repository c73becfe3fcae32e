// Kernel matrices of the splits. Pairs of classes share them, and so do all C.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "memory.hpp"
#include "passes.hpp"

// The rows that were multiplied, not owned.
struct Originals {
    std::vector<const double*> training;  // class by class
    const double* testing;
    long columns;

    const double* testing_row(long row) const { return testing + row * columns; }
};

// Of each class and testing row, (classes, testing_count): what bounds their kernels for any gamma.
struct Nearest {
    std::vector<double> distances;  // squared, the least
    std::vector<double> products;   // magnitudes, the largest
};

// The inner products of one split; classes lie one after the other. The matrices are not owned.
struct Products {
    long training_count, testing_count;
    const double* training;               // symmetric: its rows end with the diagonal
    const double* testing;                // training_count x testing_count
    std::vector<double> squares;          // of the training rows, padded
    std::vector<double> testing_squares;  // of the testing rows, padded
    std::vector<long> starts;             // of each class; the last is training_count
    Originals originals;
    Nearest nearest;

    const double* training_row(long row) const { return training + begin_of_row(row); }
    long classes() const { return static_cast<long>(starts.size()) - 1; }
};

// Two classes, as places in the split.
struct Pair {
    long a, b;  // the classes
    long first, first_count, second, second_count;

    Pair(const Products& products, long a, long b)
        : a(a),
          b(b),
          first(products.starts[a]),
          first_count(products.starts[a + 1] - first),
          second(products.starts[b]),
          second_count(products.starts[b + 1] - second) {}

    long count() const { return first_count + second_count; }
    bool is_one_piece() const { return second == first + first_count; }
    long place(long t) const { return t < first_count ? first + t : second + t - first_count; }
};

struct Kernel {
    bool rbf;  // else polynomial
    double gamma;
};

// A matrix that several work items read. Whoever comes first begins to make it, whoever comes
// meanwhile helps, and the last to be done with it gives its memory to the next matrix.
template <typename Element>
class SharedMatrix {
public:
    SharedMatrix(long rows, long columns, Spare<Element>& spare)
        : rows_(rows), stride_(padded(columns)), spare_(spare) {}

    void add_user() { ++users_; }

    // `fill(values, stride, first row)` makes ROWS_AT_ONCE rows, and never throws. The rows can be
    // read a little beyond their end. Once `stop` is set nothing is made any more: null.
    template <typename Fill>
    const Element* get(const std::atomic<bool>& stop, const Fill& fill) {
        Element* values = begin();
        const long blocks = (rows_ + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
        for (long begun; !stop && (begun = begun_++) < blocks;) {
            fill(values, stride_, (blocks - 1 - begun) * ROWS_AT_ONCE);
            ++done_;
        }
        std::unique_lock<std::mutex> lock(mutex_);
        ready_.notify_all();  // whoever waits does so for one that is not here yet
        ready_.wait(lock, [&] { return done_ >= blocks || stop; });
        return stop ? nullptr : values;
    }

    void release() {
        if (--users_ == 0 && values_.get()) spare_.give(std::move(values_));
    }

    long stride() const { return stride_; }

private:
    Element* begin() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!values_.get()) values_ = spare_.take(rows_ * stride_);
        return values_.get();
    }

    const long rows_, stride_;
    Spare<Element>& spare_;
    Array<Element> values_;
    std::atomic<long> begun_{0}, done_{0}, users_{0};
    std::mutex mutex_;
    std::condition_variable ready_;

public:
    static constexpr long ROWS_AT_ONCE = 16;  // floats of a cache line
};

// Between the training rows of a split, as float32 as in libsvm's cache; `values` is symmetric: what
// lies left of the diagonal is mirrored to the rows above.
void fill_training(float* values, long stride, long first_row, const Products& products,
                   const Kernel& kernel, const Passes& passes);

// Between its training rows and its testing rows, which lie side by side.
void fill_testing(double* values, long stride, long first_row, const Products& products,
                  const Kernel& kernel, const Passes& passes);

// Of one training row and all testing rows.
void fill_testing_row(double* to, long row, const Products& products, const Kernel& kernel,
                      const Passes& passes);

// Of a training row and itself, as float64 as libsvm's is.
double diagonal(double square, const Kernel& kernel);

// To be looked up for each gamma.
Nearest nearest(const Products& products);

// The smallest squared distance between two different rows of each pair of classes, (k, k).
std::vector<double> smallest_distances(const Products& products, const Passes& passes);

// What decides whether the cubic kernel only scales with gamma, see trainer.grid.planner: `apart`
// is whether every two rows are further from each other than float32 resolves.
CubicRow cubic_range(const Products& products, double margin, const Passes& passes);
