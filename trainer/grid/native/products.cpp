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
constexpr long DEPTH = 64;      // values of each row at once: a panel's stay in the first cache
static_assert(COLUMNS % ROWS == 0, "a panel is cut into tiles");

typedef double Doubles __attribute__((vector_size(8 * LANES)));

inline Doubles load(const double* from) {
    Doubles vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}

inline void store(double* to, Doubles vector) { __builtin_memcpy(to, &vector, sizeof vector); }

// Products of ROWS rows of one panel with all of another.
inline void tile(double* out, long stride, const double* rows, const double* panel, long depth,
                 bool first) {
    Doubles sums[ROWS][VECTORS] = {};
    for (long step = 0; step < depth; ++step, panel += COLUMNS, rows += COLUMNS) {
        Doubles columns[VECTORS];
        for (int v = 0; v < VECTORS; ++v) columns[v] = load(panel + v * LANES);
        for (int row = 0; row < ROWS; ++row)
            for (int v = 0; v < VECTORS; ++v) sums[row][v] += rows[row] * columns[v];
    }
    for (int row = 0; row < ROWS; ++row)
        for (int v = 0; v < VECTORS; ++v) {
            double* to = out + row * stride + v * LANES;
            store(to, first ? sums[row][v] : load(to) + sums[row][v]);
        }
}

void pack(double* panel, const double* const* rows, long count, const long* which, long depth) {
    for (long k = 0; k < depth; ++k, panel += COLUMNS) {
        if (count == COLUMNS)
            for (long row = 0; row < COLUMNS; ++row) panel[row] = rows[row][which[k]];
        else
            for (long row = 0; row < COLUMNS; ++row)
                panel[row] = row < count ? rows[row][which[k]] : 0.0;
    }
}

// Into the second cache; asked for more than is there, nothing happens.
inline void prefetch(const double* from, long count) {
    for (long value = 0; value < count; value += CACHE_LINE) __builtin_prefetch(from + value, 0, 2);
}

void multiply(double* out, long stride, const double* left, long left_panels, const double* right,
              long right_panels, long apart, long depth, long beyond, bool first) {
    constexpr long TILES = COLUMNS / ROWS;
    for (long k = 0; k < depth; k += DEPTH, first = false) {
        const long steps = depth - k < DEPTH ? depth - k : DEPTH, values = steps * COLUMNS;
        // What comes next is asked for tile by tile, so that it is there and takes no time.
        const long share = values / (left_panels * TILES) + CACHE_LINE;
        const long left_share = values / (right_panels * TILES) + CACHE_LINE;
        for (long panel = 0; panel < right_panels; ++panel) {
            const double* from = right + panel * apart + k * COLUMNS;
            const double* next =
                panel + 1 < right_panels ? from + apart : right + (k + steps) * COLUMNS;
            for (long each = panel > beyond ? panel - beyond : 0; each < left_panels; ++each) {
                const double* rows = left + each * apart + k * COLUMNS;
                for (long number = 0; number < TILES; ++number) {
                    prefetch(next + (each * TILES + number) * share, share);
                    prefetch(rows + values + (panel * TILES + number) * left_share, left_share);
                    tile(out + (each * COLUMNS + number * ROWS) * stride + panel * COLUMNS, stride,
                         rows + number * ROWS, from, steps, first);
                }
            }
        }
    }
}

void add(double* sums, const double* values, long count) {
    for (long k = 0; k < count; ++k) sums[k] += values[k];
}

}  // namespace

extern const Multiplier MULTIPLIER;
const Multiplier MULTIPLIER = {COLUMNS, pack, multiply, add};
