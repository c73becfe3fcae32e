#include "solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace {

constexpr double TAU = 1e-12;  // takes the place of a curvature that is not positive
constexpr double INFINITE = std::numeric_limits<double>::infinity();
constexpr long SHRINK_EVERY = 1000;   // iterations, or fewer where there are fewer vectors
constexpr double NEARLY_DONE = 10;    // times the tolerance: what was shrunk is looked at again
constexpr long LOOK_UP_EVERY = 1024;  // iterations between two looks at `stop`, see Limits

using Doubles = std::vector<double, Aligned<double>>;
using Indices = std::vector<long>;

// Vectors are kept in an order in which the active ones come first; `order_` has their places in
// the kernel. Instead of libsvm's gradient G, `f_` is sign * G: the signs then vanish from all inner
// loops, and as a change of sign rounds nothing, the steps stay the same.
class Solver {
public:
    Solver(const PairKernel& kernel, Bounds C, const Limits& limits, const Passes& passes,
           Rows& room);
    PairSolution run();

private:
    bool select(long& i, long& j);
    void step(long i, long j);
    void note_bounds(long t);

    void shrink();
    bool shrinkable(long t, double most_up, double most_low) const;
    void deactivate(double most_up, double most_low);
    void exchange(long a, long b);
    void activate_all();
    void renew_order();
    const float* row(long t);

    void flush_bounded();
    First find_first() const;
    double rho() const;

    bool is_upper(long t) const { return alpha_[t] >= C_[t]; }
    bool is_lower(long t) const { return alpha_[t] <= 0; }
    bool is_free(long t) const { return !is_upper(t) && !is_lower(t); }

    const PairKernel& kernel_;
    const Limits& limits_;
    const Passes& passes_;
    const long count_;
    long active_;

    Indices order_;
    Doubles f_, alpha_, sign_, C_, diagonal_;
    Doubles up_, low_;  // 0 where alpha can move that way along its sign, else -infinity
    Doubles estimates_;  // room for a pass
    First first_;        // of the next working set

    // The part of f that vectors at their upper bound make, in the kernel's order; needed only
    // when what was shrunk comes back, so changes wait in a list until then.
    Doubles bounded_part_;
    std::vector<std::pair<long, double>> changes_;

    // Rows of the kernel in the present order, made when they are asked for.
    Rows& reordered_;
    bool ordered_as_kernel_ = true;
    long version_ = 0;
    Indices version_of_row_;

    bool looked_again_ = false;
    PairSolution solution_;
};

Solver::Solver(const PairKernel& kernel, Bounds C, const Limits& limits, const Passes& passes,
               Rows& room)
    : kernel_(kernel),
      limits_(limits),
      passes_(passes),
      count_(kernel.count),
      active_(kernel.count),
      order_(count_),
      f_(count_ + PADDING),
      alpha_(count_),
      sign_(count_, -1.0),
      C_(count_, C.second),
      diagonal_(kernel.diagonal.begin(), kernel.diagonal.end()),
      up_(count_ + PADDING, -INFINITE),
      low_(count_ + PADDING, -INFINITE),
      estimates_(2 * (count_ + PADDING)),
      bounded_part_(count_),
      reordered_(room),
      version_of_row_(count_, -1) {
    std::iota(order_.begin(), order_.end(), 0L);
    std::fill_n(sign_.begin(), kernel.first_count, 1.0);
    std::fill_n(C_.begin(), kernel.first_count, C.first);
    diagonal_.resize(count_ + PADDING);
    for (long t = 0; t < count_; ++t) {
        f_[t] = -sign_[t];
        note_bounds(t);
    }
    first_ = find_first();
}

PairSolution Solver::run() {
    long until_shrinking = std::min(count_, SHRINK_EVERY) + 1;
    while (solution_.iterations < limits_.iterations) {
        if (--until_shrinking == 0) {
            until_shrinking = std::min(count_, SHRINK_EVERY);
            shrink();
        }
        long i, j;
        if (!select(i, j)) {
            activate_all();
            if (!select(i, j)) {
                solution_.converged = true;
                break;
            }
            until_shrinking = 1;
        }
        ++solution_.iterations;
        step(i, j);
        if (solution_.iterations % LOOK_UP_EVERY == 0) {
            *limits_.under_way += LOOK_UP_EVERY;
            if (*limits_.stop) break;
        }
    }
    *limits_.under_way -= solution_.iterations / LOOK_UP_EVERY * LOOK_UP_EVERY;
    solution_.rho = rho();
    solution_.coefficients.resize(count_);
    for (long t = 0; t < count_; ++t) {
        solution_.coefficients[order_[t]] = alpha_[t] * sign_[t];
        solution_.finite &= std::isfinite(alpha_[t]);
    }
    solution_.finite &= std::isfinite(solution_.rho);
    return std::move(solution_);
}

// The most violating vector, and the one with which it gains most; false when none is left that
// violates by more than the tolerance.
bool Solver::select(long& i, long& j) {
    i = first_.index;
    if (i < 0) return false;
    const Second second = passes_.second(f_.data(), low_.data(), row(i), diagonal_.data(),
                                         diagonal_[i], first_.violation, estimates_.data(),
                                         active_);
    j = second.index;
    return j >= 0 && !(second.violation < limits_.tolerance);
}

// Where alpha_i and alpha_j come to lie when the step would leave the box: the ends of the line
// along which they move, which keeps their difference or, for equal signs, their sum.
struct Place {
    double i, j;
};

void Solver::step(long i, long j) {
    const float* row_i = row(i);
    const float* row_j = row(j);
    double curvature = diagonal_[i] + diagonal_[j] - 2.0 * row_i[j];
    if (curvature <= 0) curvature = TAU;
    const double length = (f_[j] - f_[i]) / curvature;
    const Place before{alpha_[i], alpha_[j]};
    Place after{before.i + sign_[i] * length, before.j - sign_[j] * length};
    const double C_i = C_[i], C_j = C_[j];
    if (sign_[i] != sign_[j]) {
        const double difference = before.i - before.j;
        if (difference > 0 ? after.j < 0 : after.i < 0)
            after = difference > 0 ? Place{difference, 0} : Place{0, -difference};
        if (difference > C_i - C_j ? after.i > C_i : after.j > C_j)
            after = difference > C_i - C_j ? Place{C_i, C_i - difference}
                                           : Place{C_j + difference, C_j};
    } else {
        const double sum = before.i + before.j;
        // Clipped at 0 where a larger C would look at the other end: only by a rounding error.
        if ((sum > C_i && after.j < 0) || (sum > C_j && after.i < 0)) solution_.bounded = true;
        if (sum > C_i ? after.i > C_i : after.j < 0)
            after = sum > C_i ? Place{C_i, sum - C_i} : Place{sum, 0};
        if (sum > C_j ? after.j > C_j : after.i < 0)
            after = sum > C_j ? Place{sum - C_j, C_j} : Place{0, sum};
    }
    const bool upper_i = is_upper(i), upper_j = is_upper(j);
    alpha_[i] = after.i;
    alpha_[j] = after.j;
    note_bounds(i);
    note_bounds(j);
    first_ = passes_.update(f_.data(), row_i, row_j, sign_[i] * (after.i - before.i),
                            sign_[j] * (after.j - before.j), up_.data(), active_);
    if (upper_i != is_upper(i)) changes_.emplace_back(order_[i], (upper_i ? -C_i : C_i) * sign_[i]);
    if (upper_j != is_upper(j)) changes_.emplace_back(order_[j], (upper_j ? -C_j : C_j) * sign_[j]);
    if (static_cast<long>(changes_.size()) > count_) flush_bounded();
}

void Solver::note_bounds(long t) {
    const bool may_grow = !is_upper(t), may_fall = !is_lower(t);
    const bool positive = sign_[t] > 0;
    up_[t] = (positive ? may_grow : may_fall) ? 0.0 : -INFINITE;
    low_[t] = (positive ? may_fall : may_grow) ? 0.0 : -INFINITE;
    if (!may_grow) solution_.bounded = true;
}

First Solver::find_first() const {
    First first{-INFINITE, -1};
    for (long t = 0; t < active_; ++t)
        if (up_[t] == 0.0 && -f_[t] >= first.violation) first = {-f_[t], t};
    return first;
}

// Puts aside vectors that lie at a bound and are likely to stay there.
void Solver::shrink() {
    double most_up = -INFINITE, most_low = -INFINITE;
    for (long t = 0; t < active_; ++t) {
        most_up = std::max(most_up, up_[t] - f_[t]);
        most_low = std::max(most_low, low_[t] + f_[t]);
    }
    if (!looked_again_ && most_up + most_low <= limits_.tolerance * NEARLY_DONE) {
        looked_again_ = true;
        activate_all();
    }
    deactivate(most_up, most_low);
    first_ = find_first();
}

bool Solver::shrinkable(long t, double most_up, double most_low) const {
    if (up_[t] == 0.0) return low_[t] != 0.0 && f_[t] > most_low;
    return -f_[t] > most_up;
}

void Solver::deactivate(double most_up, double most_low) {
    const long before = active_;
    for (long t = 0; t < active_; ++t) {
        if (!shrinkable(t, most_up, most_low)) continue;
        for (--active_; active_ > t; --active_) {
            if (shrinkable(active_, most_up, most_low)) continue;
            exchange(t, active_);
            break;
        }
    }
    if (active_ != before) renew_order();
}

void Solver::exchange(long a, long b) {
    std::swap(order_[a], order_[b]);
    for (Doubles* values : {&f_, &alpha_, &sign_, &C_, &diagonal_, &up_, &low_})
        std::swap((*values)[a], (*values)[b]);
}

void Solver::renew_order() {
    ++version_;
    ordered_as_kernel_ = std::is_sorted(order_.begin(), order_.end());
    if (!ordered_as_kernel_) reordered_.resize(count_);
}

// Brings back what was shrunk, with f as it would be had it been kept up to date.
void Solver::activate_all() {
    if (active_ == count_) return;
    flush_bounded();
    for (long t = active_; t < count_; ++t) f_[t] = bounded_part_[order_[t]] - sign_[t];
    for (long t = 0; t < active_; ++t) {
        if (!is_free(t)) continue;
        const float* values = kernel_.row(order_[t]);
        const double factor = alpha_[t] * sign_[t];
        for (long other = active_; other < count_; ++other)
            f_[other] += factor * values[order_[other]];
    }
    active_ = count_;
    renew_order();
    first_ = find_first();
}

void Solver::flush_bounded() {
    for (const auto& [vector, factor] : changes_)
        passes_.add(bounded_part_.data(), kernel_.row(vector), factor, count_);
    changes_.clear();
}

const float* Solver::row(long t) {
    const long vector = order_[t];
    const float* values = kernel_.row(vector);
    if (ordered_as_kernel_) return values;
    float* reordered = reordered_[vector];
    if (version_of_row_[vector] != version_) {
        for (long other = 0; other < active_; ++other) reordered[other] = values[order_[other]];
        version_of_row_[vector] = version_;
    }
    return reordered;
}

// What is taken off a decision: the mean of f over free vectors, else between its bounds.
double Solver::rho() const {
    double sum = 0, least = INFINITE, most = -INFINITE;
    long free = 0;
    for (long t = 0; t < active_; ++t) {
        if (is_free(t)) {
            ++free;
            sum += f_[t];
        } else if (up_[t] == 0.0) {
            least = least < f_[t] ? least : f_[t];  // as libsvm compares what is not a number
        } else {
            most = most > f_[t] ? most : f_[t];
        }
    }
    return free > 0 ? sum / static_cast<double>(free) : (least + most) / 2;
}

}  // namespace

PairSolution solve(const PairKernel& kernel, Bounds C, const Limits& limits, const Passes& passes,
                   Rows& room) {
    return Solver(kernel, C, limits, passes, room).run();
}
