// Work items on threads: a kernel matrix of one pair of classes with the whole path along C.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "ballots.hpp"
#include "close_decisions.hpp"
#include "kernels.hpp"
#include "solver.hpp"

struct Task {
    long split;
    long first, second;          // the pair
    bool rbf;                    // else polynomial
    std::vector<double> gammas;  // more than one only where the kernels are equal as float32
    std::vector<long> ballots;   // of each gamma the one that the pair votes in
    std::vector<Bounds> path;    // ascending
};

struct Options {
    Limits limits;      // but for the atomic ones, which are filled in
    const Passes* passes;
    Dot dot;            // scikit-learn's
    bool saturate;      // skip larger C once none is met
    bool keep_results;  // of each task, and not only what comes of a ballot
};

class Run {
public:
    // What it is given of splits is read until it is closed. Takes fewer threads where the system
    // has no more, and throws std::system_error where it has none.
    Run(std::vector<const Products*> splits, std::vector<Task> tasks, Options options, int threads);
    ~Run();  // closes
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    // The number of a ballot that is done and was not returned before; -1 when none is done within
    // the time. Throws what a task threw.
    long wait(double seconds);
    // What came of a ballot, once. Throws std::out_of_range where there is no such ballot, and
    // std::invalid_argument where it is not done or was taken.
    Outcome take(long ballot);
    // What a task came to, likewise, if results are kept.
    Result take_result(long task);
    // The share of the work that is done: of all points of all paths; one that is being solved
    // counts by how near it is to the cap on iterations.
    double progress() const;
    // Stops, and waits until every thread has noticed. Each looks up after 1024 iterations, between
    // points and between blocks of a kernel; not while it brings back what was shrunk or copies
    // the kernel of a pair: milliseconds for thousands of rows, tenths of a second for 10,000.
    void close();

private:
    // What the work items of a split, of one kernel and gamma, have in common.
    struct Shared {
        Shared(long training_count, long testing_count, Spare<float>& floats,
               Spare<double>& doubles)
            : training(training_count, training_count, floats),
              testing(training_count, testing_count, doubles) {}

        SharedMatrix<float> training;
        SharedMatrix<double> testing;
    };
    // What a thread uses for one work item after the other.
    struct Room {
        Rows gathered, reordered;
    };

    // Tasks that follow each other and share their kernel matrices. A thread takes all of them, for
    // what it has made is in its cache; once all have been begun it helps others with theirs.
    struct Batch {
        explicit Batch(std::size_t first) : next(first), end(first) {}

        std::atomic<std::size_t> next;
        std::size_t end;
    };

    using Key = std::tuple<long, bool, double>;  // split, kernel and gamma
    enum class State { begun, done, taken };

    void work();
    void work_on(Batch& batch, Room& room);
    void see_to(std::size_t task, Room& room);
    void check(const Task& task) const;
    static Key key(const Task& task);
    void expect(const Task& task);
    void put_in_batches();
    void vote(const Task& task, const Result& result);
    std::vector<long> finish(std::size_t task, Result result);
    void announce(long ballot);
    static void check_taken(const std::vector<State>& states, long number, const char* noun);
    Result carry_out(const Task& task, Room& room);
    void solve_path(Result& result, const Task& task, const Pair& pair, const Products& products,
                    SharedMatrix<float>& training, Room& room);
    void decide_path(Result& result, const Task& task, const Pair& pair, const Products& products,
                     SharedMatrix<double>& testing) const;
    void decide(Result& result, long gamma, CloseDecisions& close,
                const std::function<const double*(long)>& row) const;
    void decide_anew(std::vector<double>& decisions, const Result& result,
                     CloseDecisions& close) const;

    std::vector<const Products*> splits_;
    std::vector<Task> tasks_;
    Options options_;
    Spare<float> spare_floats_;
    Spare<double> spare_doubles_;
    std::map<Key, Shared> shared_;  // made before the threads begin
    std::deque<Batch> batches_;     // likewise; what is atomic or a lock cannot move
    std::deque<Ballot> ballots_;
    std::vector<Result> results_;
    long points_ = 0;
    std::atomic<long> points_done_{0}, under_way_{0};
    std::atomic<std::size_t> begun_{0};  // of batches
    std::atomic<bool> stop_{false};
    std::mutex closing_;
    std::mutex mutex_;  // of what follows, of `results_`, and of how many votes are left
    std::vector<State> task_states_, ballot_states_;
    std::condition_variable changed_;
    std::deque<long> done_;
    std::exception_ptr error_;
    std::vector<std::thread> threads_;
};
