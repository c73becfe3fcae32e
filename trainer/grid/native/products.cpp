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
constexpr long DEPTH = 128;  // columns of the matrices at once: of a panel, what the first cache holds

typedef double Doubles __attribute__((vector_size(8 * LANES)));

inline Doubles load(const double* from) {
    Doubles vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}

inline void store(double* to, Doubles vector) { __builtin_memcpy(to, &vector, sizeof vector); }

// Products of `Count` rows with the columns of a panel, from k on.
template <int Count>
inline void tile(double* out, long stride, const double* const* rows, long k, const double* panel,
                 long depth) {
    Doubles sums[Count][VECTORS] = {};
    const double* from[Count];
    for (int row = 0; row < Count; ++row) from[row] = rows[row] + k;
    for (long step = 0; step < depth; ++step, panel += COLUMNS) {
        Doubles columns[VECTORS];
        for (int v = 0; v < VECTORS; ++v) columns[v] = load(panel + v * LANES);
        for (int row = 0; row < Count; ++row)
            for (int v = 0; v < VECTORS; ++v) sums[row][v] += from[row][step] * columns[v];
    }
    for (int row = 0; row < Count; ++row)
        for (int v = 0; v < VECTORS; ++v) {
            double* to = out + row * stride + v * LANES;
            store(to, k == 0 ? sums[row][v] : load(to) + sums[row][v]);
        }
}

void pack(double* panel, const double* const* rows, long count, long d) {
    for (long row = 0; row < COLUMNS; ++row)
        for (long k = 0; k < d; ++k) panel[k * COLUMNS + row] = row < count ? rows[row][k] : 0.0;
}

void multiply(double* out, long stride, const double* const* rows, long count,
              const double* packed, long panels, long d) {
    for (long k = 0; k < d; k += DEPTH) {
        const long depth = d - k < DEPTH ? d - k : DEPTH;
        for (long panel = 0; panel < panels; ++panel) {
            const double* from = packed + (panel * d + k) * COLUMNS;
            double* to = out + panel * COLUMNS;
            long row = 0;
            for (; row + ROWS <= count; row += ROWS)
                tile<ROWS>(to + row * stride, stride, rows + row, k, from, depth);
            for (; row < count; ++row)
                tile<1>(to + row * stride, stride, rows + row, k, from, depth);
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
