#include "run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace {

using Doubles = std::vector<double>;

// The two classes of a pair, as places in the split.
struct Pair {
    long first, first_count, second, second_count;

    Pair(const Products& products, const Task& task)
        : first(products.starts[task.first]),
          first_count(products.starts[task.first + 1] - first),
          second(products.starts[task.second]),
          second_count(products.starts[task.second + 1] - second) {}

    long count() const { return first_count + second_count; }
    long place(long t) const { return t < first_count ? first + t : second + t - first_count; }
};

void fill_kernel(PairKernel& kernel, const Products& products, const Pair& pair, const Task& task,
                 const Passes& passes) {
    const double gamma = task.gammas.front();
    const double* squares = products.squares.data();
    for (long t = 0; t < kernel.count; ++t) {
        const long place = pair.place(t);
        const double* from = products.training + place * products.training_count;
        float* to = kernel.rows[t];
        const auto fill = [&](float* out, long start, long count) {
            if (task.rbf)
                passes.rbf(out, from + start, squares + start, squares[place], gamma, count);
            else
                passes.cubic(out, from + start, gamma, count);
        };
        fill(to, pair.first, pair.first_count);
        fill(to + pair.first_count, pair.second, pair.second_count);
        const double square = squares[place], base = gamma * square;
        kernel.diagonal[t] = task.rbf ? std::exp(-gamma * (square + square - 2 * square))
                                      : base * (base * base);
    }
}

// One row of the kernel between a testing row and the vectors of a pair.
void fill_testing_row(double* to, long row, const Products& products, const Pair& pair, bool rbf,
                      double gamma, const Passes& passes) {
    const double* from = products.testing + row * products.training_count;
    const auto fill = [&](double* out, long start, long count) {
        if (rbf)
            passes.rbf_clamped(out, from + start, products.squares.data() + start,
                               products.testing_squares[row], gamma, count);
        else
            passes.cubic_wide(out, from + start, gamma, count);
    };
    fill(to, pair.first, pair.first_count);
    fill(to + pair.first_count, pair.second, pair.second_count);
}

}  // namespace

Run::Run(std::vector<Products> splits, std::vector<Task> tasks, Options options, int threads)
    : splits_(std::move(splits)),
      tasks_(std::move(tasks)),
      options_(options),
      results_(tasks_.size()) {
    options_.limits.stop = &stop_;
    try {
        for (int thread = 0; thread < threads; ++thread) threads_.emplace_back([this] { work(); });
    } catch (...) {  // the system has no more threads: nobody else would wait for those begun
        join();
        throw;
    }
}

Run::~Run() { join(); }

void Run::join() {
    stop();
    for (std::thread& thread : threads_) thread.join();
}

void Run::stop() { stop_ = true; }

void Run::work() {
    while (!stop_) {
        const std::size_t task = begun_++;
        if (task >= tasks_.size()) return;
        Result result;
        std::exception_ptr error;
        try {
            result = carry_out(tasks_[task]);
        } catch (...) {  // no memory
            error = std::current_exception();
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        results_[task] = std::move(result);
        if (error) error_ = error;
        done_.push_back(static_cast<long>(task));
        changed_.notify_one();
    }
}

long Run::wait(double seconds) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto ready = [this] { return !done_.empty(); };
    if (!changed_.wait_for(lock, std::chrono::duration<double>(seconds), ready)) return -1;
    if (error_) std::rethrow_exception(error_);
    const long task = done_.front();
    done_.pop_front();
    return task;
}

Result Run::carry_out(const Task& task) const {
    const Products& products = splits_[static_cast<std::size_t>(task.split)];
    const Passes& passes = *options_.passes;
    const Pair pair(products, task);
    PairKernel kernel(pair.first_count, pair.second_count);
    fill_kernel(kernel, products, pair, task, passes);

    Result result;
    bool saturated = false;
    for (const Bounds& C : task.path) {
        if (!saturated) {
            result.solutions.push_back(solve(kernel, C, options_.limits, passes));
            const PairSolution& last = result.solutions.back();
            saturated = options_.saturate && last.converged && !last.bounded;
        }
        result.solved_as.push_back(static_cast<long>(result.solutions.size()) - 1);
        if (stop_) return result;
    }

    const long solutions = static_cast<long>(result.solutions.size());
    const long rows = products.testing_count;
    result.decisions.resize(task.gammas.size() * solutions * rows);
    Doubles kernel_row(pair.count() + PADDING);
    double* decision = result.decisions.data();
    for (const double gamma : task.gammas) {
        for (long row = 0; row < rows && !stop_; ++row) {
            fill_testing_row(kernel_row.data(), row, products, pair, task.rbf, gamma, passes);
            for (long s = 0; s < solutions; ++s) {
                const PairSolution& solution = result.solutions[s];
                decision[s * rows + row] =
                    passes.dot(kernel_row.data(), solution.coefficients.data(), pair.count()) -
                    solution.rho;
            }
        }
        decision += solutions * rows;
    }
    if (!options_.keep_coefficients)
        for (PairSolution& solution : result.solutions) Doubles().swap(solution.coefficients);
    return result;
}

std::vector<double> smallest_distances(const Products& products) {
    const long classes = static_cast<long>(products.starts.size()) - 1;
    Doubles smallest(classes * classes, std::numeric_limits<double>::infinity());
    for (long a = 0; a < classes; ++a)
        for (long i = products.starts[a]; i < products.starts[a + 1]; ++i) {
            const double* row = products.training + i * products.training_count;
            for (long b = a; b < classes; ++b) {
                double& least = smallest[a * classes + b];
                const long start = b == a ? i + 1 : products.starts[b];
                for (long j = start; j < products.starts[b + 1]; ++j)
                    // Not a number counts as near: it must not pass for an identity.
                    least = !(products.squares[i] + products.squares[j] - 2 * row[j] >= least)
                                ? products.squares[i] + products.squares[j] - 2 * row[j]
                                : least;
            }
        }
    for (long a = 0; a < classes; ++a)
        for (long b = 0; b < a; ++b) smallest[a * classes + b] = smallest[b * classes + a];
    return smallest;
}

CubicRange cubic_range(const double* products, long count, double margin) {
    const auto cubed = [](double value) { return value * value * value; };
    Doubles norms(count);
    for (long i = 0; i < count; ++i) norms[i] = cubed(products[i * count + i]);
    CubicRange range{true, std::numeric_limits<double>::infinity(), 0};
    for (long i = 0; i < count; ++i)
        for (long j = 0; j <= i; ++j) {
            const double value = cubed(products[i * count + j]);
            const double magnitude = std::abs(value), sum = norms[i] + norms[j];
            if (j < i && !(sum - 2 * value > margin * sum)) range.apart = false;
            if (!(magnitude <= range.largest)) range.largest = magnitude;
            if (magnitude > 0 && magnitude < range.least) range.least = magnitude;
        }
    return range;
}
