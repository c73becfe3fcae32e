// Work items on threads: a kernel matrix of one pair of classes with the whole path along C.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "kernels.hpp"
#include "solver.hpp"

struct Task {
    long split;
    long first, second;          // the pair
    bool rbf;                    // else polynomial
    std::vector<double> gammas;  // more than one only where the kernels are equal as float32
    std::vector<Bounds> path;    // ascending
};

// The two classes of a pair, as places in the split.
struct Pair {
    long first, first_count, second, second_count;

    Pair(const Products& products, const Task& task)
        : first(products.starts[task.first]),
          first_count(products.starts[task.first + 1] - first),
          second(products.starts[task.second]),
          second_count(products.starts[task.second + 1] - second) {}

    long count() const { return first_count + second_count; }
    bool is_whole(const Products& products) const { return count() == products.training_count; }
    long place(long t) const { return t < first_count ? first + t : second + t - first_count; }
};

struct Result {
    std::vector<PairSolution> solutions;  // of each point of the path that was solved
    std::vector<long> solved_as;          // for each point of the path, which of `solutions`
    long gammas = 0, rows = 0;            // rows that are tested on
    std::vector<double> decisions;        // (gammas, points of the path, rows)
};

struct Options {
    Limits limits;      // `stop` is filled in
    const Passes* passes;
    bool saturate;      // skip larger C once none is met
    bool keep_coefficients;
};

class Run {
public:
    Run(std::vector<Products> splits, std::vector<Task> tasks, Options options, int threads);
    ~Run();  // stops, and waits for the threads: some milliseconds
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    // The index of a task that is done and was not returned before; -1 when none is done within
    // the time. Throws what a task threw.
    long wait(double seconds);
    const Result& result(long task) const { return results_[static_cast<std::size_t>(task)]; }
    void release(long task) { results_[static_cast<std::size_t>(task)] = Result(); }
    void stop();

private:
    // What the work items of a split, of one kernel and gamma, have in common.
    struct Shared {
        Shared(long training_count, long testing_count, Spare<float>& floats,
               Spare<double>& doubles)
            : training(training_count, training_count, floats),
              testing(testing_count, training_count, doubles) {}

        SharedMatrix<float> training;
        SharedMatrix<double> testing;
    };
    // What a thread uses for one work item after the other.
    struct Room {
        Rows gathered, reordered;
    };

    using Key = std::tuple<long, bool, double>;  // split, kernel and gamma

    void work();
    void join();
    static Key key(const Task& task);
    void expect(const Task& task);
    Result carry_out(const Task& task, Room& room);
    void solve_path(Result& result, const Task& task, const Pair& pair, const Products& products,
                    SharedMatrix<float>& training, Room& room) const;
    void decide_path(Result& result, const Task& task, const Pair& pair, const Products& products,
                     SharedMatrix<double>& testing) const;

    std::vector<Products> splits_;
    std::vector<Task> tasks_;
    Options options_;
    Spare<float> spare_floats_;
    Spare<double> spare_doubles_;
    std::map<Key, Shared> shared_;  // made before the threads begin
    std::vector<Result> results_;
    std::atomic<std::size_t> begun_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<long> done_;
    std::exception_ptr error_;
    std::vector<std::thread> threads_;
};
