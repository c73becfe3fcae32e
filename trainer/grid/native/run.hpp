// Work items on threads: a kernel matrix of one pair of classes with the whole path along C.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "solver.hpp"

// The inner products of one split; classes lie one after the other. Nothing is owned.
struct Products {
    long training_count, testing_count;
    const double* training;             // training_count x training_count
    const double* testing;              // testing_count x training_count
    std::vector<double> squares;        // of the training rows, padded
    const double* testing_squares;      // of the testing rows
    std::vector<long> starts;           // of each class; the last is training_count
};

struct Task {
    long split;
    long first, second;          // the pair
    bool rbf;                    // else polynomial
    std::vector<double> gammas;  // more than one only where the kernels are equal as float32
    std::vector<Bounds> path;    // ascending
};

struct Result {
    std::vector<PairSolution> solutions;  // of each point of the path that was solved
    std::vector<long> solved_as;          // for each point of the path, which of `solutions`
    std::vector<double> decisions;        // (gammas, solutions, testing rows)
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
    void work();
    void join();
    Result carry_out(const Task& task) const;

    std::vector<Products> splits_;
    std::vector<Task> tasks_;
    Options options_;
    std::vector<Result> results_;
    std::atomic<std::size_t> begun_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<long> done_;
    std::exception_ptr error_;
    std::vector<std::thread> threads_;
};

// The smallest squared distance between two different rows of each pair of classes, (k, k).
std::vector<double> smallest_distances(const Products& products);

// What decides whether the cubic kernel only scales with gamma, see trainer.grid.planner.
struct CubicRange {
    bool apart;             // every two rows are further from each other than float32 resolves
    double least, largest;  // magnitudes of inner products cubed, zeros left out
};

CubicRange cubic_range(const double* products, long count, double margin);
