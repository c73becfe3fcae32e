#include "columns.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

namespace {

constexpr long FEW_ROWS = 64;  // mostly enough to tell columns from each other
constexpr long ROWS_AT_ONCE = 64;
constexpr std::size_t FEWEST = 8;  // below it, adding sums up costs as much as it saves

// Where the same values are: sets and columns, of each set one at most.
using Found = std::vector<std::pair<long, long>>;

// A column of a set, and what was found that it is likely to be: first in a column of another set.
struct Likely {
    long set, k, found, other_set, other_k;
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
    Search(const std::vector<RowSet>& sets, Team& team, const std::function<bool()>& stopped)
        : sets_(sets),
          team_(team),
          stopped_(stopped),
          count_(static_cast<long>(sets.front().rows.size())) {}

    // Goes by some rows of each column, or by all; false where columns that are alike in these are
    // not the same: more of them may be shared than were found then.
    bool run(long rows_looked_at) {
        found_.clear();
        prints_.clear();
        std::vector<Prints> prints(sets_.size());
        team_.in_parallel(static_cast<long>(sets_.size()), [&](long set) {
            prints[set] = prints_of(sets_[set], std::max(1L, count_ / rows_looked_at));
        });
        std::vector<Likely> likely;
        for (std::size_t set = 0; set < sets_.size(); ++set)
            look_up(static_cast<long>(set), prints[set], likely);
        return take_out(likely, differences(likely));
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

    // Puts each column of a set to what was found that it is likely to be, or finds something new.
    void look_up(long set, const Prints& prints, std::vector<Likely>& likely) {
        std::vector<long> found = candidates(prints);
        for (long k = 0; k < sets_[set].d; ++k) {
            if (found[k] < 0) {
                found[k] = static_cast<long>(found_.size());
                found_.emplace_back();
            } else {
                const auto& [other_set, other_k] = found_[found[k]].front();
                likely.push_back({set, k, found[k], other_set, other_k});
            }
            found_[found[k]].emplace_back(set, k);
        }
        Prints added;
        for (const auto& [value, k] : prints)
            if (found_[found[k]].front().first == set) added.push_back({value, found[k]});
        Prints all;
        all.reserve(prints_.size() + added.size());
        std::merge(prints_.begin(), prints_.end(), added.begin(), added.end(),
                   std::back_inserter(all), is_before);
        prints_ = std::move(all);
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

    // Bits in which columns differ from what they are likely to be, in any row. All are compared in
    // one pass, since all there is to it is to read the rows.
    std::vector<std::uint64_t> differences(const std::vector<Likely>& likely) const {
        std::vector<std::uint64_t> differing(likely.size());
        if (likely.empty()) return differing;
        std::mutex mutex;
        team_.in_parallel((count_ + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, [&](long block) {
            if (stopped_()) return;
            const std::vector<std::uint64_t> found = differences(likely, block);
            const std::lock_guard<std::mutex> lock(mutex);
            for (std::size_t each = 0; each < found.size(); ++each) differing[each] |= found[each];
        });
        return differing;
    }

    std::vector<std::uint64_t> differences(const std::vector<Likely>& likely, long block) const {
        constexpr long TOGETHER = 4;  // rows, so that a column is not looked up for each of them
        std::vector<std::uint64_t> differing(likely.size());
        std::vector<std::array<const double*, TOGETHER>> rows(sets_.size());
        const long end = std::min(count_, (block + 1) * ROWS_AT_ONCE);
        for (long first = block * ROWS_AT_ONCE; first < end; first += TOGETHER) {
            for (std::size_t set = 0; set < rows.size(); ++set)
                for (long row = 0; row < TOGETHER; ++row)
                    rows[set][row] = sets_[set].rows[std::min(first + row, end - 1)];
            for (std::size_t each = 0; each < likely.size(); ++each) {
                const Likely& one = likely[each];
                const auto& ours = rows[one.set];
                const auto& theirs = rows[one.other_set];
                for (long row = 0; row < TOGETHER; ++row)
                    differing[each] |= bits_of(ours[row][one.k]) ^ bits_of(theirs[row][one.other_k]);
            }
        }
        return differing;
    }

    // Lets columns that differ be alone; false where there are such.
    bool take_out(const std::vector<Likely>& likely, const std::vector<std::uint64_t>& differing) {
        bool none = true;
        for (std::size_t each = 0; each < likely.size(); ++each) {
            if (differing[each] == 0) continue;
            const std::pair<long, long> place{likely[each].set, likely[each].k};
            Found& found = found_[likely[each].found];
            found.erase(std::find(found.begin(), found.end(), place));
            found_.push_back({place});
            none = false;
        }
        return none;
    }

    const std::vector<RowSet>& sets_;
    Team& team_;
    const std::function<bool()>& stopped_;
    const long count_;
    std::vector<Found> found_;
    Prints prints_;  // of what was found
};

}  // namespace

std::vector<Columns> common_columns(const std::vector<RowSet>& sets, Team& team,
                                    const std::function<bool()>& stopped) {
    Search search(sets, team, stopped);
    if (!search.run(FEW_ROWS)) search.run(std::max(1L, static_cast<long>(sets.front().rows.size())));
    return search.groups();
}
