#include "multiplication.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "memory.hpp"

namespace {

constexpr long ROWS_AT_ONCE = MOST_ROWS;
constexpr long PANELS_AT_ONCE = 64;  // between two looks at whether to stop
constexpr long COLUMNS_AT_ONCE = 8;  // doubles of a cache line

// Calls work(0) ... work(count - 1), each once, on threads that end with it, until one of them has
// thrown something, which is thrown here, too.
template <typename Work>
void in_parallel(long count, int threads, const Work& work) {
    std::atomic<long> begun{0};
    std::mutex mutex;
    std::exception_ptr error;
    const auto carry_on = [&] {
        try {
            for (long item; (item = begun++) < count;) work(item);
        } catch (...) {  // no memory
            begun = count;
            const std::lock_guard<std::mutex> lock(mutex);
            error = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    try {
        for (int thread = 1; thread < std::min<long>(threads, count); ++thread)
            others.emplace_back(carry_on);
    } catch (const std::system_error&) {  // there are no more threads: those that are do it
    }
    carry_on();
    for (std::thread& other : others) other.join();
    if (error) std::rethrow_exception(error);
}

class Multiplication {
public:
    Multiplication(const RowSet& rows, const Multiplied& out, const Multiplier& multiplier,
                   const std::function<bool()>& interrupted)
        : rows_(rows),
          out_(out),
          multiplier_(multiplier),
          interrupted_(interrupted),
          caller_(std::this_thread::get_id()),
          count_(static_cast<long>(rows.training.size())),
          panels_((count_ + multiplier.columns - 1) / multiplier.columns),
          packed_(static_cast<std::size_t>(panels_ * multiplier.columns * rows.d + 1)) {}

    bool run(int threads) {
        const long tested = static_cast<long>(rows_.testing.size());
        const long training_blocks = blocks(count_), testing_blocks = blocks(tested);
        in_parallel(panels_, threads, [this](long panel) { pack(panel); });
        // The largest first.
        in_parallel(training_blocks + testing_blocks, threads, [&](long block) {
            if (block < training_blocks)
                fill_training((training_blocks - 1 - block) * ROWS_AT_ONCE);
            else
                fill_testing((block - training_blocks) * ROWS_AT_ONCE, tested);
        });
        return !stopped_;
    }

private:
    static long blocks(long count) { return (count + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE; }

    // Only the calling thread may ask: Python handles signals on none but its own.
    bool stopped() {
        if (!stopped_ && std::this_thread::get_id() == caller_ && interrupted_()) stopped_ = true;
        return stopped_;
    }

    void pack(long panel) {
        if (stopped()) return;
        const long first = panel * multiplier_.columns;
        multiplier_.pack(packed_.get() + first * rows_.d, rows_.training.data() + first,
                         std::min(multiplier_.columns, count_ - first), rows_.d);
    }

    // Rows of the product with the first rows of the training set; those on the right of the
    // block's own are left to others.
    Array<double> products(const double* const* rows, long count, long panels) {
        const long stride = panels * multiplier_.columns;
        Array<double> block(static_cast<std::size_t>(count * stride + 1));
        if (rows_.d == 0) std::fill_n(block.get(), count * stride, 0.0);
        for (long panel = 0; panel < panels && !stopped(); panel += PANELS_AT_ONCE) {
            const long column = panel * multiplier_.columns;
            multiplier_.multiply(block.get() + column, stride, rows, count,
                                 packed_.get() + column * rows_.d,
                                 std::min(PANELS_AT_ONCE, panels - panel), rows_.d);
        }
        return block;
    }

    void fill_training(long first) {
        const long last = std::min(first + ROWS_AT_ONCE, count_), height = last - first;
        const long panels = (last + multiplier_.columns - 1) / multiplier_.columns;
        const long stride = panels * multiplier_.columns;
        if (stopped()) return;
        const Array<double> block = products(rows_.training.data() + first, height, panels);
        if (stopped_) return;
        for (long row = 0; row < height; ++row)
            std::copy_n(block.get() + row * stride, last, out_.training + (first + row) * count_);
        for (long above = 0; above < first; ++above)
            for (long row = 0; row < height; ++row)
                out_.training[above * count_ + first + row] = block.get()[row * stride + above];
    }

    void fill_testing(long first, long tested) {
        const long last = std::min(first + ROWS_AT_ONCE, tested), height = last - first;
        const long stride = panels_ * multiplier_.columns;
        if (stopped()) return;
        const Array<double> block = products(rows_.testing.data() + first, height, panels_);
        if (stopped_) return;
        for (long row = 0; row < height; ++row)
            out_.testing_squares[first + row] =
                multiplier_.square(rows_.testing[static_cast<std::size_t>(first + row)], rows_.d);
        for (long column = 0; column < count_; column += COLUMNS_AT_ONCE) {
            const long end = std::min(column + COLUMNS_AT_ONCE, count_);
            for (long row = 0; row < height; ++row)
                for (long k = column; k < end; ++k)
                    out_.testing[k * tested + first + row] = block.get()[row * stride + k];
        }
    }

    const RowSet& rows_;
    const Multiplied& out_;
    const Multiplier& multiplier_;
    const std::function<bool()>& interrupted_;
    const std::thread::id caller_;
    std::atomic<bool> stopped_{false};
    const long count_, panels_;
    const Array<double> packed_;
};

}  // namespace

bool multiply_all(const RowSet& rows, const Multiplied& out, const Multiplier& multiplier,
                  int threads, const std::function<bool()>& interrupted) {
    return Multiplication(rows, out, multiplier, interrupted).run(threads);
}
