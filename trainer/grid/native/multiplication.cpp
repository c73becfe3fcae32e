#include "multiplication.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include "memory.hpp"

namespace {

constexpr long COLUMNS_AT_ONCE = 192;  // a block and its sums stay in the second cache
constexpr long ROWS_AT_ONCE = 96;
constexpr long STRIDE = COLUMNS_AT_ONCE + 8;  // else a column's values fall into few cache lines
constexpr long FEWER_ROWS_AT_ONCE = 48;  // so that no thread is left without work at the end
constexpr long FEW_ROWS = 1000;

// Columns as they are packed, from `start` on.
struct Packed {
    const Columns* of;
    long start, depth;
};

// Rows first_row ... and columns first_column ... of the products, on and below the diagonal.
struct Block {
    long first_row, rows, first_column, columns;

    long width(long row) const { return std::min(columns, first_row + row + 1 - first_column); }
};

class Multiplication {
public:
    Multiplication(const std::vector<RowSet>& sets, const std::vector<Multiplied>& out,
                   const Multiplier& multiplier, int threads,
                   const std::function<bool()>& interrupted)
        : sets_(sets),
          out_(out),
          multiplier_(multiplier),
          interrupted_(interrupted),
          caller_(std::this_thread::get_id()),
          count_(static_cast<long>(sets.front().rows.size())),
          panels_(panels_of(count_)),
          team_(threads) {}

    bool run() {
        groups_ = common_columns(sets_, team_, [this] { return stopped(); });
        if (stopped_) return false;
        for (const Columns& group : groups_) {
            const long depth = static_cast<long>(group.columns.size());
            packed_.push_back({&group, width_, depth});
            width_ += depth;
        }
        values_ = Array<double>(static_cast<std::size_t>(panels_ * multiplier_.columns * width_ + 1));
        team_.in_parallel(panels_, [this](long panel) { pack(panel); });
        const std::vector<Block> blocks = cut();
        team_.in_parallel(static_cast<long>(blocks.size()),
                          [&](long block) { fill(blocks[static_cast<std::size_t>(block)]); });
        return !stopped_;
    }

private:
    // Only the calling thread may ask: Python handles signals on none but its own.
    bool stopped() {
        if (!stopped_ && std::this_thread::get_id() == caller_ && interrupted_()) stopped_ = true;
        return stopped_;
    }

    double* panel(long number, long start) const {
        return values_.get() + (number * width_ + start) * multiplier_.columns;
    }

    void pack(long number) {
        if (stopped()) return;
        const long first = number * multiplier_.columns;
        const long rows = std::min(multiplier_.columns, count_ - first);
        for (const Packed& group : packed_)
            multiplier_.pack(panel(number, group.start),
                             sets_[group.of->sets.front()].rows.data() + first, rows,
                             group.of->columns.data(), group.depth);
    }

    std::vector<Block> cut() const {
        std::vector<Block> blocks;
        const long height = count_ < FEW_ROWS ? FEWER_ROWS_AT_ONCE : ROWS_AT_ONCE;
        for (long row = 0; row < count_; row += height) {
            const long rows = std::min(height, count_ - row);
            for (long column = 0; column < row + rows; column += COLUMNS_AT_ONCE)
                blocks.push_back({row, rows, column, std::min(COLUMNS_AT_ONCE, row + rows - column)});
        }
        return blocks;
    }

    long panels_of(long count) const {
        return (count + multiplier_.columns - 1) / multiplier_.columns;
    }

    void fill(const Block& block) {
        constexpr long SIZE = ROWS_AT_ONCE * STRIDE;
        Array<double> room = rooms_.take(SIZE * static_cast<long>(sets_.size() + 1));
        double* shared = room.get();
        const auto sums = [&](long set) { return shared + SIZE * (set + 1); };
        std::vector<char> begun(sets_.size());
        for (const Packed& group : packed_) {
            if (stopped()) return;
            const std::vector<long>& of = group.of->sets;
            if (of.size() == 1) {
                multiply(sums(of.front()), block, group, !begun[of.front()]);
            } else {
                multiply(shared, block, group, true);
                for (const long set : of) add(sums(set), block, shared, !begun[set]);
            }
            for (const long set : of) begun[set] = 1;
        }
        for (std::size_t set = 0; set < sets_.size(); ++set) {
            if (!begun[set]) std::fill_n(sums(set), SIZE, 0.0);
            put(block, sums(set), sets_[set], out_[set]);
        }
        rooms_.give(std::move(room));
    }

    void multiply(double* products, const Block& block, const Packed& group, bool first) const {
        const long top = block.first_row / multiplier_.columns;
        const long left = block.first_column / multiplier_.columns;
        multiplier_.multiply(products, STRIDE, panel(top, group.start),
                             panels_of(block.rows), panel(left, group.start),
                             panels_of(block.columns), width_ * multiplier_.columns, group.depth,
                             top - left, first);
    }

    void add(double* sums, const Block& block, const double* products, bool first) const {
        for (long row = 0; row < block.rows; ++row) {
            const double* from = products + row * STRIDE;
            double* to = sums + row * STRIDE;
            if (first)
                std::copy_n(from, block.width(row), to);
            else
                multiplier_.add(to, from, block.width(row));
        }
    }

    // Where they belong in the matrices of a set.
    static void put(const Block& block, const double* sums, const RowSet& set,
                    const Multiplied& out) {
        const long* rows = set.places.data() + block.first_row;
        const long* columns = set.places.data() + block.first_column;
        for (long row = 0; row < block.rows; ++row) {
            const double* from = sums + row * STRIDE;
            put_beside(out, set, rows[row], columns, from, 1, block.width(row));
        }
        for (long column = 0; column < block.columns; ++column) {
            const long first = std::max(0L, block.first_column + column - block.first_row);
            const double* from = sums + first * STRIDE + column;
            put_beside(out, set, columns[column], rows + first, from, STRIDE,
                       block.rows - first);
        }
    }

    // Products of the row at a place with others, `apart` from each other: those that are in the
    // matrices of a set in the row of that place.
    static void put_beside(const Multiplied& out, const RowSet& set, long place,
                           const long* others, const double* products, long apart, long count) {
        if (place < 0) {
            for (long k = 0; k < count; ++k)
                if (others[k] == place) out.testing_squares[-1 - place] = products[k * apart];
            return;
        }
        double* trained = out.training + begin_of_row(place);
        double* tested = out.testing + place * set.tested;
        for (long k = 0; k < count; ++k) {
            const long other = others[k];
            if (other < 0)
                tested[-1 - other] = products[k * apart];
            else if (other <= place)
                trained[other] = products[k * apart];
        }
    }

    const std::vector<RowSet>& sets_;
    const std::vector<Multiplied>& out_;
    const Multiplier& multiplier_;
    const std::function<bool()>& interrupted_;
    const std::thread::id caller_;
    std::atomic<bool> stopped_{false};
    const long count_, panels_;
    std::vector<Columns> groups_;
    std::vector<Packed> packed_;
    long width_ = 0;
    Array<double> values_;
    Spare<double> rooms_;
    Team team_;
};

}  // namespace

bool multiply_all(const std::vector<RowSet>& sets, const std::vector<Multiplied>& out,
                  const Multiplier& multiplier, int threads,
                  const std::function<bool()>& interrupted) {
    return sets.empty() || Multiplication(sets, out, multiplier, threads, interrupted).run();
}
