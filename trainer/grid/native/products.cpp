// See products.hpp. Compiled once for each instruction set; where it has fused multiplication and
// addition, that is used: of all that is computed here nothing is compared with libsvm's bits.
#include "products.hpp"

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 8, VECTORS = 3, ROWS = 8;  // 24 sums in 32 registers
#elif defined(__AVX2__)
constexpr int LANES = 4, VECTORS = 3, ROWS = 4;  // 12 sums in 16 registers
#else
constexpr int LANES = 2, VECTORS = 2, ROWS = 4;  // 8 sums in 16 registers
#endif

constexpr long COLUMNS = LANES * VECTORS;
constexpr long CACHE_LINE = 8;  // doubles
constexpr long DEPTH = 64;  // columns of the matrices at once: a panel's stay in the first cache

typedef double Doubles __attribute__((vector_size(8 * LANES)));

inline Doubles load(const double* from) {
    Doubles vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}

inline void store(double* to, Doubles vector) { __builtin_memcpy(to, &vector, sizeof vector); }

// Products of `Count` rows with the columns of a panel. Values of rows are ROWS apart: see
// put_beside.
template <int Count>
inline void tile(double* out, long stride, const double* rows, const double* panel, long depth,
                 bool first) {
    Doubles sums[Count][VECTORS] = {};
    for (long step = 0; step < depth; ++step, panel += COLUMNS, rows += ROWS) {
        Doubles columns[VECTORS];
        for (int v = 0; v < VECTORS; ++v) columns[v] = load(panel + v * LANES);
        for (int row = 0; row < Count; ++row)
            for (int v = 0; v < VECTORS; ++v) sums[row][v] += rows[row] * columns[v];
    }
    for (int row = 0; row < Count; ++row)
        for (int v = 0; v < VECTORS; ++v) {
            double* to = out + row * stride + v * LANES;
            store(to, first ? sums[row][v] : load(to) + sums[row][v]);
        }
}

// Values k ... k + depth - 1 of rows, ROWS of them side by side: a tile then reads one stream of
// memory, not ROWS.
void put_beside(double* beside, const double* const* rows, long count, long k, long depth) {
    for (long row = 0; row < count; row += ROWS)
        for (long step = k; step < k + depth; ++step)
            for (long each = row; each < row + ROWS; ++each)
                *beside++ = each < count ? rows[each][step] : 0.0;
}

// Into the second cache; asked for more than is there, nothing happens.
inline void prefetch(const double* from, long count) {
    for (long value = 0; value < count; value += CACHE_LINE) __builtin_prefetch(from + value, 0, 2);
}

void pack(double* panel, const double* const* rows, long count, long d) {
    for (long row = 0; row < COLUMNS; ++row)
        for (long k = 0; k < d; ++k) panel[k * COLUMNS + row] = row < count ? rows[row][k] : 0.0;
}

void multiply(double* out, long stride, const double* const* rows, long count,
              const double* packed, long panels, long d) {
    alignas(64) double beside[MOST_ROWS * DEPTH];
    for (long k = 0; k < d; k += DEPTH) {
        const long depth = d - k < DEPTH ? d - k : DEPTH, values = depth * COLUMNS;
        put_beside(beside, rows, count, k, depth);
        for (long panel = 0; panel < panels; ++panel) {
            const double* from = packed + (panel * d + k) * COLUMNS;
            // What comes next is asked for tile by tile, so that it is there and takes no time.
            const double* next =
                panel + 1 < panels ? from + d * COLUMNS : packed + k * COLUMNS + values;
            double* to = out + panel * COLUMNS;
            long row = 0;
            for (; row + ROWS <= count; row += ROWS) {
                prefetch(next + row * values / MOST_ROWS, ROWS * values / MOST_ROWS);
                tile<ROWS>(to + row * stride, stride, beside + row * depth, from, depth, k == 0);
            }
            for (long each = row; each < count; ++each)
                tile<1>(to + each * stride, stride, beside + row * depth + each - row, from, depth,
                        k == 0);
        }
    }
}

double square(const double* row, long d) {
    double total = 0;
    for (long k = 0; k < d; k += DEPTH) {
        double sum = 0;
        for (long step = k; step < d && step < k + DEPTH; ++step) sum += row[step] * row[step];
        total = k == 0 ? sum : total + sum;
    }
    return total;
}

}  // namespace

extern const Multiplier MULTIPLIER;
const Multiplier MULTIPLIER = {COLUMNS, pack, multiply, square};
