#include "ballots.hpp"

#include <algorithm>

bool Ballot::expect(long split, long classes, long rows, long points) {
    if (left_++ == 0) {
        split_ = split;
        classes_ = classes;
        outcome_.rows = rows;
        outcome_.points = points;
    }
    return split_ == split && outcome_.points == points;
}

void Ballot::cast(long a, long b, const Result& result, long gamma) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (outcome_.solved_as.empty()) begin();
    const long count = outcome_.points * outcome_.rows;
    const double* decisions = result.decisions.data() + gamma * count;
    for (long each = 0; each < count; ++each)
        ++votes_[static_cast<std::size_t>(each * classes_ + (decisions[each] > 0 ? a : b))];
    for (long point = 0; point < outcome_.points; ++point) {
        const std::size_t at = static_cast<std::size_t>(point);
        outcome_.solved_as[at] = std::max(outcome_.solved_as[at], result.solved_as[at]);
        outcome_.converged[at] = outcome_.converged[at] && result.at(point).converged;
        outcome_.finite[at] = outcome_.finite[at] && result.at(point).finite;
    }
}

// Not before: of many ballots few are under way at a time.
void Ballot::begin() {
    const std::size_t points = static_cast<std::size_t>(outcome_.points);
    votes_.resize(points * static_cast<std::size_t>(outcome_.rows * classes_));
    outcome_.solved_as.resize(points);
    outcome_.converged.resize(points, true);
    outcome_.finite.resize(points, true);
}

// The class with most votes; of equals the first, as in Gaia's libsvm.
void Ballot::count_votes() {
    const long count = outcome_.points * outcome_.rows;
    outcome_.predicted.reserve(static_cast<std::size_t>(count));
    for (auto votes = votes_.begin(); votes != votes_.end(); votes += classes_)
        outcome_.predicted.push_back(std::max_element(votes, votes + classes_) - votes);
    std::vector<int>().swap(votes_);
}
