// Where all pairs of a split vote on its testing rows, for each point of one path along C.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "solver.hpp"

// The solutions of one pair, and what they say of the testing rows.
struct Result {
    std::vector<PairSolution> solutions;  // of each point of the path that was solved
    std::vector<long> solved_as;          // for each point of the path, which of `solutions`
    long gammas = 0, rows = 0;            // rows that are tested on
    std::vector<double> decisions;        // (gammas, points of the path, rows)

    const PairSolution& at(long point) const {
        return solutions[static_cast<std::size_t>(solved_as[static_cast<std::size_t>(point)])];
    }
};

// What the pairs came to together.
struct Outcome {
    long points = 0, rows = 0;
    std::vector<long> predicted;  // (points, rows), codes of classes
    std::vector<long> solved_as;  // for each point the earliest that is the same for all pairs
    std::vector<char> converged, finite;  // for each point, whether all pairs are
};

class Ballot {
public:
    // A pair more of a split with so many classes and testing rows. False where that is not what
    // other pairs were expected to vote on.
    bool expect(long split, long classes, long rows, long points);
    bool is_expected() const { return left_ > 0; }

    // The vote of classes a and b, by what was decided with one of their gammas; by any thread.
    void cast(long a, long b, const Result& result, long gamma);
    // After each vote, by one thread at a time: whether it was the last. Then they are counted.
    bool was_last() { return --left_ == 0; }
    void count_votes();

    Outcome take() { return std::move(outcome_); }

private:
    void begin();

    long split_ = -1, classes_ = 0, left_ = 0;
    std::mutex mutex_;        // of what follows, while pairs vote
    std::vector<int> votes_;  // (points, rows, classes)
    Outcome outcome_;
};
