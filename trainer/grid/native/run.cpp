#include "run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace {

using Doubles = std::vector<double>;

// The kernel matrix of a pair within that of its split.
PairKernel gather(const float* values, long stride, const Pair& pair, const Products& products,
                  const Kernel& kernel, Rows& room) {
    PairKernel gathered{pair.count(), pair.first_count, values, stride, Doubles(pair.count())};
    for (long t = 0; t < pair.count(); ++t)
        gathered.diagonal[t] = diagonal(products.squares[pair.place(t)], kernel);
    if (pair.is_whole(products)) return gathered;
    room.resize(pair.count());
    for (long t = 0; t < pair.count(); ++t) {
        const float* from = values + pair.place(t) * stride;
        std::copy_n(from + pair.first, pair.first_count, room[t]);
        std::copy_n(from + pair.second, pair.second_count, room[t] + pair.first_count);
    }
    gathered.values = room[0];
    gathered.stride = room.stride();
    return gathered;
}

// What the solutions say of one testing row, whose kernel with the pair is given.
void decide(Result& result, long gamma, long row, const Doubles& kernel_row,
            const Passes& passes) {
    const long points = static_cast<long>(result.solved_as.size());
    double* decisions = result.decisions.data() + gamma * points * result.rows + row;
    for (long point = 0; point < points; ++point) {
        const long solution = result.solved_as[point];
        if (point > 0 && result.solved_as[point - 1] == solution) {
            decisions[point * result.rows] = decisions[(point - 1) * result.rows];
            continue;
        }
        const PairSolution& solved = result.solutions[solution];
        decisions[point * result.rows] =
            passes.dot(kernel_row.data(), solved.coefficients.data(),
                       static_cast<long>(solved.coefficients.size())) -
            solved.rho;
    }
}

}  // namespace

Run::Run(std::vector<Products> splits, std::vector<Task> tasks, Options options, int threads)
    : splits_(std::move(splits)),
      tasks_(std::move(tasks)),
      options_(options),
      results_(tasks_.size()) {
    options_.limits.stop = &stop_;
    for (const Task& task : tasks_) expect(task);
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
    Room room;
    while (!stop_) {
        const std::size_t task = begun_++;
        if (task >= tasks_.size()) return;
        Result result;
        std::exception_ptr error;
        try {
            result = carry_out(tasks_[task], room);
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

Run::Key Run::key(const Task& task) {
    return {task.split, task.rbf, task.gammas.front()};
}

void Run::expect(const Task& task) {
    const Products& products = splits_[static_cast<std::size_t>(task.split)];
    Shared& shared = shared_
                         .try_emplace(key(task), products.training_count, products.testing_count,
                                      spare_floats_, spare_doubles_)
                         .first->second;
    shared.training.add_user();
    shared.testing.add_user();
}

Result Run::carry_out(const Task& task, Room& room) {
    const Products& products = splits_[static_cast<std::size_t>(task.split)];
    const Pair pair(products, task);
    Shared& shared = shared_.at(key(task));
    Result result;
    solve_path(result, task, pair, products, shared.training, room);
    shared.training.release();
    if (stop_) return result;
    decide_path(result, task, pair, products, shared.testing);
    shared.testing.release();
    if (!options_.keep_coefficients)
        for (PairSolution& solution : result.solutions) Doubles().swap(solution.coefficients);
    return result;
}

void Run::solve_path(Result& result, const Task& task, const Pair& pair, const Products& products,
                     SharedMatrix<float>& training, Room& room) const {
    const Passes& passes = *options_.passes;
    const Kernel kernel{task.rbf, task.gammas.front()};
    const float* values = training.get([&](float* to, long stride, long row) {
        fill_training(to, stride, row, products, kernel, passes);
    });
    const PairKernel gathered =
        gather(values, training.stride(), pair, products, kernel, room.gathered);
    bool saturated = false;
    for (const Bounds& C : task.path) {
        if (stop_) return;
        if (!saturated) {
            result.solutions.push_back(
                solve(gathered, C, options_.limits, passes, room.reordered));
            const PairSolution& last = result.solutions.back();
            saturated = options_.saturate && last.converged && !last.bounded;
        }
        result.solved_as.push_back(static_cast<long>(result.solutions.size()) - 1);
    }
}

void Run::decide_path(Result& result, const Task& task, const Pair& pair, const Products& products,
                      SharedMatrix<double>& testing) const {
    const Passes& passes = *options_.passes;
    const Kernel kernel{task.rbf, task.gammas.front()};
    const double* values = testing.get([&](double* to, long stride, long row) {
        fill_testing(to, stride, row, products, kernel, passes);
    });
    result.gammas = static_cast<long>(task.gammas.size());
    result.rows = products.testing_count;
    result.decisions.resize(task.gammas.size() * task.path.size() *
                            static_cast<std::size_t>(result.rows));
    Doubles kernel_row(static_cast<std::size_t>(pair.count() + PADDING));
    double* const first = kernel_row.data();
    double* const second = first + pair.first_count;
    for (long row = 0; row < result.rows && !stop_; ++row) {
        const double* from = values + row * testing.stride();
        std::copy_n(from + pair.first, pair.first_count, first);
        std::copy_n(from + pair.second, pair.second_count, second);
        decide(result, 0, row, kernel_row, passes);
    }
    // Further gammas of an identity kernel belong to this pair: not worth sharing.
    for (long other = 1; other < result.gammas; ++other)
        for (long row = 0; row < result.rows && !stop_; ++row) {
            const Kernel same{task.rbf, task.gammas[static_cast<std::size_t>(other)]};
            fill_testing_row(first, row, pair.first, pair.first_count, products, same, passes);
            fill_testing_row(second, row, pair.second, pair.second_count, products, same, passes);
            decide(result, other, row, kernel_row, passes);
        }
}
