#include "columns.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

#include "threads.hpp"

namespace {

constexpr long FEW_ROWS = 64;  // mostly enough to tell columns from each other
constexpr long ROWS_AT_ONCE = 64;
constexpr std::size_t FEWEST = 8;  // below it, adding sums up costs as much as it saves

// Where the same values are: sets and columns, of each set one at most.
using Found = std::vector<std::pair<long, long>>;

// A column of a set, and one of another that it is likely to be the same as.
struct Likely {
    long k, set, column;
};

// What is likely to be another one where values are: of column `of` of a set, or of what was found.
struct Print {
    std::uint64_t value;
    long of;
};

using Prints = std::vector<Print>;  // ascending; of equals in the order of what they are of

bool is_before(const Print& one, const Print& other) { return one.value < other.value; }

std::uint64_t bits_of(double value) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

class Search {
public:
    Search(const std::vector<RowSet>& sets, int threads, const std::function<bool()>& stopped)
        : sets_(sets),
          threads_(threads),
          stopped_(stopped),
          count_(static_cast<long>(sets.front().rows.size())) {}

    // Goes by some rows of each column, or by all; false where these did not tell columns from each
    // other that differ.
    bool run(long rows_looked_at) {
        found_.clear();
        prints_.clear();
        std::vector<Prints> prints(sets_.size());
        in_parallel(static_cast<long>(sets_.size()), threads_, [&](long set) {
            prints[set] = prints_of(sets_[set], std::max(1L, count_ / rows_looked_at));
        });
        bool told_apart = true;
        for (std::size_t set = 0; set < sets_.size() && !stopped_(); ++set)
            told_apart = look_through(static_cast<long>(set), prints[set]) && told_apart;
        return told_apart;
    }

    std::vector<Columns> groups() const {
        std::map<std::vector<long>, std::vector<const Found*>> shared;
        for (const Found& found : found_) {
            std::vector<long> of;
            for (const auto& place : found) of.push_back(place.first);
            shared[std::move(of)].push_back(&found);
        }
        std::vector<std::vector<long>> alone(sets_.size());
        std::vector<Columns> groups;
        for (const auto& [of, members] : shared) {
            if (of.size() > 1 && members.size() >= FEWEST) {
                groups.push_back({of, {}});
                for (const Found* found : members)
                    groups.back().columns.push_back(found->front().second);
            } else {
                for (const Found* found : members)
                    for (const auto& [set, k] : *found) alone[set].push_back(k);
            }
        }
        for (std::size_t set = 0; set < alone.size(); ++set)
            if (!alone[set].empty())
                groups.push_back({{static_cast<long>(set)}, std::move(alone[set])});
        return groups;
    }

private:
    // Alike for columns that are; others may be alike, too.
    Prints prints_of(const RowSet& set, long step) const {
        Prints prints(static_cast<std::size_t>(set.d));
        for (long k = 0; k < set.d; ++k) prints[k].of = k;
        for (long row = 0; row < count_ && !stopped_(); row += step)
            for (long k = 0; k < set.d; ++k) {
                const std::uint64_t bits = bits_of(set.rows[row][k]);
                const std::uint64_t mixed = (prints[k].value ^ bits) * 0x9e3779b97f4a7c15;
                prints[k].value = mixed ^ (mixed >> 32);
            }
        std::stable_sort(prints.begin(), prints.end(), is_before);
        return prints;
    }

    bool look_through(long set, const Prints& prints) {
        const std::vector<long> likely = candidates(prints);
        const std::vector<char> same = compared(likely, set);
        std::vector<long> found(likely);
        for (std::size_t k = 0; k < found.size(); ++k) {
            if (!same[k]) {
                found[k] = static_cast<long>(found_.size());
                found_.emplace_back();
            }
            found_[found[k]].emplace_back(set, static_cast<long>(k));
        }
        bool told_apart = true;
        Prints added;
        for (std::size_t print = 0; print < prints.size(); ++print) {
            const auto& [value, k] = prints[print];
            if (print > 0 && prints[print - 1].value == value) told_apart = false;
            if (same[k]) continue;
            if (likely[k] >= 0) told_apart = false;
            added.push_back({value, found[k]});
        }
        Prints all;
        all.reserve(prints_.size() + added.size());
        std::merge(prints_.begin(), prints_.end(), added.begin(), added.end(),
                   std::back_inserter(all), is_before);
        prints_ = std::move(all);
        return told_apart;
    }

    // Of each column of a set which one of those found it may be; -1 where there is none. Of several
    // that are alike the first may be the first, the second the second.
    std::vector<long> candidates(const Prints& prints) const {
        std::vector<long> likely(prints.size(), -1);
        auto known = prints_.begin();
        for (const auto& [value, k] : prints) {
            while (known != prints_.end() && known->value < value) ++known;
            if (known == prints_.end()) break;
            if (known->value == value) likely[k] = (known++)->of;
        }
        return likely;
    }

    // Whether they are what they may be, in all rows.
    std::vector<char> compared(const std::vector<long>& likely, long set) const {
        std::vector<Likely> pairs;
        for (std::size_t k = 0; k < likely.size(); ++k)
            if (likely[k] >= 0) {
                const auto& [other, column] = found_[likely[k]].front();
                pairs.push_back({static_cast<long>(k), other, column});
            }
        std::vector<char> same(likely.size());
        for (const Likely& pair : pairs) same[pair.k] = 1;
        if (pairs.empty()) return same;
        std::mutex mutex;
        in_parallel((count_ + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, threads_, [&](long block) {
            if (stopped_()) return;
            const std::vector<std::uint64_t> differing = differences(pairs, set, block);
            const std::lock_guard<std::mutex> lock(mutex);
            for (std::size_t pair = 0; pair < pairs.size(); ++pair)
                same[pairs[pair].k] &= differing[pair] == 0;
        });
        return same;
    }

    std::vector<std::uint64_t> differences(const std::vector<Likely>& pairs, long set,
                                           long block) const {
        constexpr long TOGETHER = 4;  // rows, so that a pair is not looked up for each of them
        std::vector<std::uint64_t> differing(pairs.size());
        std::vector<std::array<const double*, TOGETHER>> rows(sets_.size());
        const long end = std::min(count_, (block + 1) * ROWS_AT_ONCE);
        for (long first = block * ROWS_AT_ONCE; first < end; first += TOGETHER) {
            for (std::size_t each = 0; each < rows.size(); ++each)
                for (long row = 0; row < TOGETHER; ++row)
                    rows[each][row] = sets_[each].rows[std::min(first + row, end - 1)];
            const std::array<const double*, TOGETHER> ours = rows[set];
            for (std::size_t pair = 0; pair < pairs.size(); ++pair) {
                const auto& [k, other, column] = pairs[pair];
                const auto& theirs = rows[other];
                for (long row = 0; row < TOGETHER; ++row)
                    differing[pair] |= bits_of(ours[row][k]) ^ bits_of(theirs[row][column]);
            }
        }
        return differing;
    }

    const std::vector<RowSet>& sets_;
    const int threads_;
    const std::function<bool()>& stopped_;
    const long count_;
    std::vector<Found> found_;
    Prints prints_;  // of what was found
};

}  // namespace

std::vector<Columns> common_columns(const std::vector<RowSet>& sets, int threads,
                                    const std::function<bool()>& stopped) {
    Search search(sets, threads, stopped);
    if (!search.run(FEW_ROWS)) search.run(std::max(1L, static_cast<long>(sets.front().rows.size())));
    return search.groups();
}
