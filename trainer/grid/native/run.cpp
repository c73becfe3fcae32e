#include "run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <system_error>

namespace {

using Doubles = std::vector<double>;

constexpr long VECTORS_AT_ONCE = 8;  // whose kernel with the testing rows stays in the first cache

// The kernel matrix of a pair within that of its split.
PairKernel gather(const float* values, long stride, const Pair& pair, const Products& products,
                  const Kernel& kernel, Rows& room) {
    PairKernel gathered{pair.count(), pair.first_count, values + pair.first * (stride + 1), stride,
                        Doubles(pair.count())};
    for (long t = 0; t < pair.count(); ++t)
        gathered.diagonal[t] = diagonal(products.squares[pair.place(t)], kernel);
    if (pair.is_one_piece()) return gathered;
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

void require(bool holds, const char* otherwise) {
    if (!holds) throw std::invalid_argument(otherwise);
}

}  // namespace

Run::Run(std::vector<const Products*> splits, std::vector<Task> tasks, Options options, int threads)
    : splits_(std::move(splits)),
      tasks_(std::move(tasks)),
      options_(options),
      results_(tasks_.size()),
      task_states_(tasks_.size(), State::begun) {
    require(threads > 0, "a run needs at least one thread");
    require(options_.limits.iterations >= 0, "a cap on iterations below 0");
    require(options_.limits.tolerance > 0, "a tolerance that is not above 0");
    options_.limits.stop = &stop_;
    options_.limits.under_way = &under_way_;
    long votes = 0;
    for (const Task& task : tasks_) votes += static_cast<long>(task.ballots.size());
    for (const Task& task : tasks_) {
        check(task);
        for (const long ballot : task.ballots)
            require(ballot < votes, "a ballot in which no task votes");
        expect(task);
        points_ += static_cast<long>(task.path.size());
    }
    for (const Ballot& ballot : ballots_)
        require(ballot.is_expected(), "a ballot in which no task votes");
    ballot_states_.assign(ballots_.size(), State::begun);
    put_in_batches();
    try {
        for (int thread = 0; thread < threads; ++thread) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {  // there are no more threads: those that are do it
        if (threads_.empty()) throw;
    } catch (...) {  // no memory; nobody else would wait for those begun
        close();
        throw;
    }
}

Run::~Run() { close(); }

void Run::close() {
    stop_ = true;
    const std::lock_guard<std::mutex> lock(closing_);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

void Run::check(const Task& task) const {
    require(task.split >= 0 && task.split < static_cast<long>(splits_.size()),
            "a task of a split that there is not");
    const long classes = splits_[static_cast<std::size_t>(task.split)]->classes();
    require(task.first >= 0 && task.first < task.second && task.second < classes,
            "a task of a pair of classes that there is not");
    require(!task.gammas.empty() && !task.path.empty(), "a task without a gamma or a C");
    require(task.ballots.size() == task.gammas.size(), "a gamma without a ballot");
    for (const long ballot : task.ballots) require(ballot >= 0, "a ballot below 0");
    for (const double gamma : task.gammas)
        require(gamma > 0 && std::isfinite(gamma), "a gamma that is not above 0");
    for (const Bounds& C : task.path)
        require(C.first > 0 && C.second > 0 && std::isfinite(C.first) && std::isfinite(C.second),
                "a C that is not above 0, or not finite");
}

void Run::work() {
    Room room;
    for (std::size_t batch; (batch = begun_++) < batches_.size();) work_on(batches_[batch], room);
    for (Batch& batch : batches_) work_on(batch, room);
}

void Run::work_on(Batch& batch, Room& room) {
    for (std::size_t task; !stop_ && (task = batch.next++) < batch.end;) see_to(task, room);
}

void Run::see_to(std::size_t task, Room& room) {
    try {
        Result result = carry_out(tasks_[task], room);
        if (stop_) return;  // it is half done
        vote(tasks_[task], result);
        for (const long ballot : finish(task, std::move(result))) announce(ballot);
    } catch (...) {  // no memory
        const std::lock_guard<std::mutex> lock(mutex_);
        error_ = std::current_exception();
        changed_.notify_one();
    }
}

void Run::vote(const Task& task, const Result& result) {
    for (std::size_t gamma = 0; gamma < task.ballots.size(); ++gamma)
        ballots_[task.ballots[gamma]].cast(task.first, task.second, result,
                                           static_cast<long>(gamma));
}

// A task that has voted. Gives the ballots that have all votes now: not before each of the tasks
// that voted in them is done, since who hears of a ballot may take all of them.
std::vector<long> Run::finish(std::size_t task, Result result) {
    std::vector<long> decided;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (options_.keep_results) results_[task] = std::move(result);
    task_states_[task] = State::done;
    for (const long ballot : tasks_[task].ballots)
        if (ballots_[ballot].was_last()) decided.push_back(ballot);
    return decided;
}

void Run::announce(long ballot) {
    ballots_[ballot].count_votes();
    const std::lock_guard<std::mutex> lock(mutex_);
    ballot_states_[ballot] = State::done;
    done_.push_back(ballot);
    changed_.notify_one();
}

long Run::wait(double seconds) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto ready = [this] { return !done_.empty() || error_; };
    if (!changed_.wait_for(lock, std::chrono::duration<double>(seconds), ready)) return -1;
    if (error_) std::rethrow_exception(error_);
    const long ballot = done_.front();
    done_.pop_front();
    return ballot;
}

void Run::check_taken(const std::vector<State>& states, long number, const char* noun) {
    const std::string name = noun + (" " + std::to_string(number));
    if (number < 0 || number >= static_cast<long>(states.size()))
        throw std::out_of_range("there is no " + name);
    if (states[number] == State::begun) throw std::invalid_argument(name + " is not done");
    if (states[number] == State::taken) throw std::invalid_argument(name + " was taken before");
}

Outcome Run::take(long ballot) {
    const std::lock_guard<std::mutex> lock(mutex_);
    check_taken(ballot_states_, ballot, "ballot");
    ballot_states_[ballot] = State::taken;
    return ballots_[ballot].take();
}

Result Run::take_result(long task) {
    const std::lock_guard<std::mutex> lock(mutex_);
    require(options_.keep_results, "results of tasks are not kept");
    check_taken(task_states_, task, "task");
    require(!results_[task].solutions.empty(), "the task has no solution");
    task_states_[task] = State::taken;
    return std::move(results_[task]);
}

double Run::progress() const {
    if (points_ == 0) return 1;
    const double cap = static_cast<double>(std::max(1L, options_.limits.iterations));
    const double solving = static_cast<double>(under_way_) / cap;
    return (static_cast<double>(points_done_) + solving) / static_cast<double>(points_);
}

void Run::put_in_batches() {
    for (std::size_t task = 0; task < tasks_.size(); ++task) {
        if (task == 0 || key(tasks_[task]) != key(tasks_[task - 1])) batches_.emplace_back(task);
        batches_.back().end = task + 1;
    }
}

Run::Key Run::key(const Task& task) {
    return {task.split, task.rbf, task.gammas.front()};
}

void Run::expect(const Task& task) {
    const Products& products = *splits_[static_cast<std::size_t>(task.split)];
    Shared& shared = shared_
                         .try_emplace(key(task), products.training_count, products.testing_count,
                                      spare_floats_, spare_doubles_)
                         .first->second;
    shared.training.add_user();
    shared.testing.add_user();
    for (const long ballot : task.ballots) {
        while (static_cast<long>(ballots_.size()) <= ballot) ballots_.emplace_back();
        require(ballots_[ballot].expect(task.split, products.classes(), products.testing_count,
                                        static_cast<long>(task.path.size())),
                "tasks of several splits or paths that vote in one ballot");
    }
}

Result Run::carry_out(const Task& task, Room& room) {
    const Products& products = *splits_[static_cast<std::size_t>(task.split)];
    const Pair pair(products, task.first, task.second);
    Shared& shared = shared_.at(key(task));
    Result result;
    solve_path(result, task, pair, products, shared.training, room);
    shared.training.release();
    if (stop_) return result;
    decide_path(result, task, pair, products, shared.testing);
    shared.testing.release();
    return result;
}

void Run::solve_path(Result& result, const Task& task, const Pair& pair, const Products& products,
                     SharedMatrix<float>& training, Room& room) {
    const Passes& passes = *options_.passes;
    const Kernel kernel{task.rbf, task.gammas.front()};
    const float* values = training.get(stop_, [&](float* to, long stride, long row) {
        fill_training(to, stride, row, products, kernel, passes);
    });
    if (!values) return;
    const PairKernel gathered =
        gather(values, training.stride(), pair, products, kernel, room.gathered);
    bool saturated = false;
    for (const Bounds& C : task.path) {
        if (stop_) return;
        if (!saturated) {
            result.solutions.push_back(
                solve(gathered, C, options_.limits, passes, room.reordered));
            // Whether it converged or met the cap on iterations: a larger C does the same.
            saturated = options_.saturate && !result.solutions.back().bounded;
        }
        result.solved_as.push_back(static_cast<long>(result.solutions.size()) - 1);
        ++points_done_;
    }
}

void Run::decide_path(Result& result, const Task& task, const Pair& pair, const Products& products,
                      SharedMatrix<double>& testing) const {
    const Passes& passes = *options_.passes;
    result.gammas = static_cast<long>(task.gammas.size());
    result.rows = products.testing_count;
    result.decisions.resize(task.gammas.size() * task.path.size() *
                            static_cast<std::size_t>(result.rows));
    if (result.rows == 0) return;
    const Kernel kernel{task.rbf, task.gammas.front()};
    const double* values = testing.get(stop_, [&](double* to, long stride, long row) {
        fill_testing(to, stride, row, products, kernel, passes);
    });
    if (!values) return;
    CloseDecisions close(products, pair, kernel, options_.dot);
    decide(result, 0, close, [&](long t) { return values + pair.place(t) * testing.stride(); });
    // Further gammas of an identity kernel belong to this pair: not worth sharing.
    const long stride = padded(result.rows);
    Doubles room(static_cast<std::size_t>(VECTORS_AT_ONCE * stride));
    for (long other = 1; other < result.gammas; ++other) {
        const Kernel same{task.rbf, task.gammas[static_cast<std::size_t>(other)]};
        CloseDecisions close_to_it(products, pair, same, options_.dot);
        decide(result, other, close_to_it, [&](long t) {
            double* to = room.data() + t % VECTORS_AT_ONCE * stride;
            fill_testing_row(to, pair.place(t), products, same, passes);
            return static_cast<const double*>(to);
        });
    }
}

// What the solutions say of all testing rows; `row` gives their kernel with a vector of the pair. What
// it gives is read until it is asked for vectors behind the next VECTORS_AT_ONCE.
//
// It is libsvm's sum: one support vector after the other, those of the first class before those of
// the second, and rho at last. Testing rows take the lanes: no instruction set has another order.
void Run::decide(Result& result, long gamma, CloseDecisions& close,
                 const std::function<const double*(long)>& row) const {
    const std::size_t rows = static_cast<std::size_t>(result.rows);
    const std::size_t points = result.solved_as.size();
    const long vectors = static_cast<long>(result.solutions.front().coefficients.size());
    Doubles sums(result.solutions.size() * rows);
    for (long first = 0; first < vectors && !stop_; first += VECTORS_AT_ONCE) {
        const long count = std::min(VECTORS_AT_ONCE, vectors - first);
        const double* known[VECTORS_AT_ONCE] = {};
        for (std::size_t solution = 0; solution < result.solutions.size(); ++solution) {
            const double* coefficients = result.solutions[solution].coefficients.data() + first;
            const double* of_support[VECTORS_AT_ONCE];
            double factors[VECTORS_AT_ONCE];
            long support = 0;
            for (long t = 0; t < count; ++t) {
                if (coefficients[t] == 0) continue;
                if (!known[t]) known[t] = row(first + t);
                of_support[support] = known[t];
                factors[support++] = coefficients[t];
            }
            options_.passes->add_rows(sums.data() + solution * rows, of_support, factors, support,
                                      result.rows);
        }
    }
    for (std::size_t solution = 0; solution < result.solutions.size(); ++solution)
        for (std::size_t each = 0; each < rows; ++each)
            sums[solution * rows + each] -= result.solutions[solution].rho;
    decide_anew(sums, result, close);
    double* decisions = result.decisions.data() + static_cast<std::size_t>(gamma) * points * rows;
    for (const long solution : result.solved_as)
        decisions = std::copy_n(sums.data() + static_cast<std::size_t>(solution) * rows, rows,
                                decisions);
}

// Those that are 0 but for rounding.
void Run::decide_anew(std::vector<double>& decisions, const Result& result,
                      CloseDecisions& close) const {
    Doubles sizes;
    for (const PairSolution& solution : result.solutions) {
        double size = 0;
        for (const double coefficient : solution.coefficients) size += std::abs(coefficient);
        sizes.push_back(size);  // not a number where the solution has none, which holds nothing
    }
    for (long row = 0; row < result.rows && !stop_; ++row)
        for (std::size_t solution = 0; solution < sizes.size(); ++solution) {
            double& decision = decisions[solution * static_cast<std::size_t>(result.rows) +
                                         static_cast<std::size_t>(row)];
            if (close.holds(decision, sizes[solution], row))
                decision = close.anew(result.solutions[solution], row);
        }
}
