// See passes.hpp. Compiled once for each instruction set, which decides how wide a vector is.
#include "passes.hpp"

#include <stdint.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 8;
#elif defined(__AVX2__)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;
#endif

constexpr double TAU = 1e-12;  // libsvm's curvature where there is none
constexpr double INFINITE = __builtin_inf();

typedef double Doubles __attribute__((vector_size(8 * LANES)));
typedef int64_t Integers __attribute__((vector_size(8 * LANES)));
typedef float Floats __attribute__((vector_size(4 * LANES)));

template <typename Vector, typename Element>
inline Vector load(const Element* from) {
    Vector vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}

// Zeros take the place of what is beyond the end.
inline Doubles load_part(const double* from, long count) {
    if (count >= LANES) return load<Doubles>(from);
    Doubles vector = {};
    for (long lane = 0; lane < LANES && lane < count; ++lane) vector[lane] = from[lane];
    return vector;
}

// Said outright where GCC 12 takes several instructions for what is one.
inline Doubles widened(const float* from) {
#if defined(__AVX512F__)
    return _mm512_cvtps_pd(_mm256_loadu_ps(from));
#elif defined(__AVX2__)
    return _mm256_cvtps_pd(_mm_loadu_ps(from));
#else
    return __builtin_convertvector(load<Floats>(from), Doubles);
#endif
}

// The second where one of them is not a number.
inline Doubles larger(Doubles a, Doubles b) { return a > b ? a : b; }

// 0 in place of what is below it, or not a number.
inline Doubles above_zero(Doubles x) {
#if defined(__AVX512F__)
    return _mm512_max_pd(x, _mm512_setzero_pd());
#elif defined(__AVX2__)
    return _mm256_max_pd(x, _mm256_setzero_pd());
#else
    return x > 0.0 ? x : Doubles{};
#endif
}

inline void store(double* to, Doubles vector) { __builtin_memcpy(to, &vector, sizeof vector); }

inline void store(float* to, Doubles vector) {
    const Floats narrow = __builtin_convertvector(vector, Floats);
    __builtin_memcpy(to, &narrow, sizeof narrow);
}

inline Integers positions() {
    Integers vector = {};
    for (int lane = 0; lane < LANES; ++lane) vector[lane] = lane;
    return vector;
}

template <typename Vector>
inline Vector rotated(Vector vector, int distance) {
#if defined(__clang__)
    Vector turned;
    for (int lane = 0; lane < LANES; ++lane) turned[lane] = vector[(lane + distance) % LANES];
    return turned;
#else
    return __builtin_shuffle(vector, (positions() + distance) & (LANES - 1));
#endif
}

// The largest values so far and where they are, lane by lane; of equals the last. Two are kept
// side by side, so that one need not wait for the other.
struct Largest {
    Doubles value;
    Integers index;

    explicit Largest(double least) : value(Doubles{} + least), index(Integers{} - 1) {}

    void take(Doubles candidate, Integers at) {
        index = candidate >= value ? at : index;
        value = candidate > value ? candidate : value;  // of equals either
    }

    void join(const Largest& other) {
        const Integers later = (other.value == value) & (other.index > index);
        const Integers better = (other.value > value) | later;
        index = better ? other.index : index;
        value = better ? other.value : value;
    }

    // Puts the best of all lanes into the first. Without branches: none could be predicted.
    void join_lanes() {
        for (int distance = LANES / 2; distance > 0; distance /= 2) {
            Largest other = *this;
            other.value = rotated(value, distance);
            other.index = rotated(index, distance);
            join(other);
        }
    }
};

First update(double* f, const float* row_i, const float* row_j, double step_i, double step_j,
             const double* up, long count) {
    Largest even(-INFINITE), odd(-INFINITE);
    Integers at = positions();
    const auto moved = [&](long k) {
        const Doubles change = widened(row_i + k) * step_i + widened(row_j + k) * step_j;
        return load<Doubles>(f + k) + change;
    };
    long k = 0;
    for (; k + 2 * LANES <= count; k += 2 * LANES) {
        const Doubles a = moved(k), b = moved(k + LANES);
        store(f + k, a);
        store(f + k + LANES, b);
        even.take(load<Doubles>(up + k) - a, at);
        odd.take(load<Doubles>(up + k + LANES) - b, at + LANES);
        at += 2 * LANES;
    }
    for (; k < count; k += LANES, at += LANES) {
        const Integers inside = at < count;  // what is beyond has been shrunk away: not touched
        const Doubles value = inside ? moved(k) : load<Doubles>(f + k);
        store(f + k, value);
        even.take(inside ? load<Doubles>(up + k) - value : Doubles{} - INFINITE, inside ? at : -1);
    }
    even.join(odd);
    even.join_lanes();
    return {even.value[0], even.index[0]};
}

// About 1 / x, too much or too little by a share of 2^-11 at most; infinite where it is 0, and where
// float32 cannot hold as much in place of x or of 1 / x.
inline Doubles reciprocal(Doubles x) {
#if defined(__AVX512F__)
    return _mm512_rcp14_pd(x);
#elif defined(__AVX2__)
    const Doubles inside = _mm256_cmp_pd(x, _mm256_set1_pd(0x1p125), _CMP_LT_OQ);
    return _mm256_cvtps_pd(_mm_rcp_ps(_mm256_cvtpd_ps(_mm256_and_pd(x, inside))));
#else
    return 1.0 / x;
#endif
}

// a b + c, rounded once where there is an instruction for it. Not for what libsvm computes, too.
inline Doubles fused(Doubles a, Doubles b, Doubles c) {
#if defined(__AVX512F__)
    return _mm512_fmadd_pd(a, b, c);
#elif defined(__AVX2__)
    return _mm256_fmadd_pd(a, b, c);
#else
    return a * b + c;
#endif
}

inline Doubles fused(Doubles a, double b, Doubles c) { return fused(a, Doubles{} + b, c); }

// sum - 2 x, rounded once however it is done: twice a number is exact.
inline Doubles less_twice(Doubles sum, Doubles x) {
#if defined(__AVX512F__)
    return _mm512_fnmadd_pd(x, _mm512_set1_pd(2.0), sum);
#elif defined(__AVX2__)
    return _mm256_fnmadd_pd(x, _mm256_set1_pd(2.0), sum);
#else
    return sum - 2.0 * x;
#endif
}

// A bit for each lane that is not below.
inline unsigned reaching(Doubles values, double least) {
#if defined(__AVX512F__)
    return _mm512_cmp_pd_mask(values, _mm512_set1_pd(least), _CMP_GE_OQ);
#elif defined(__AVX2__)
    return static_cast<unsigned>(
        _mm256_movemask_pd(_mm256_cmp_pd(values, _mm256_set1_pd(least), _CMP_GE_OQ)));
#elif defined(__SSE2__)
    return static_cast<unsigned>(_mm_movemask_pd(_mm_cmpge_pd(values, _mm_set1_pd(least))));
#else
    unsigned lanes = 0;
    for (int lane = 0; lane < LANES; ++lane) lanes |= (values[lane] >= least ? 1u : 0u) << lane;
    return lanes;
#endif
}

inline double largest_lane(Doubles values) {
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        const Doubles other = rotated(values, distance);
        values = other > values ? other : values;
    }
    return values[0];
}

// Division costs more than all else of the pass, so gains are estimated first, and only those that
// come near the largest are divided: mostly one, of which there is nothing more to find out. Between
// these bounds estimates are as good as they are said to be; beyond them everything is divided.
constexpr double NEAR = 1 - 0x1p-9;
constexpr double SMALLEST_ESTIMATE = 1e-200, LARGEST_ESTIMATE = 1e200;

Second second(const double* f, const double* low, const float* row, const double* diagonal,
              double diagonal_i, double violation, double* estimates, long count) {
    const auto both = [&](long k) {
        return violation + (load<Doubles>(f + k) + load<Doubles>(low + k));
    };
    const auto curvature = [&](long k) {
        return less_twice(diagonal_i + load<Doubles>(diagonal + k), widened(row + k));
    };
    Doubles most_violating = Doubles{} - INFINITE, largest = {};
    const auto estimate = [&](long k, Doubles sum) {
        most_violating = larger(sum, most_violating);
        const Doubles excess = above_zero(sum);
        // Infinite where there is no curvature: then everything is divided.
        const Doubles gain = (excess * excess) * reciprocal(above_zero(curvature(k)));
        store(estimates + k, gain);
        return gain;
    };
    // Several vectors have one largest, so that few are looked through for those that come near.
    constexpr long TOGETHER = 4 * LANES;
    double* of_several = estimates + count + PADDING;
    long k = 0, several = 0;
    for (; k + TOGETHER <= count; k += TOGETHER, several += LANES) {
        Doubles best = {};  // stays a number, though gains are none where 0 is over no curvature
        for (long at = k; at < k + TOGETHER; at += LANES)
            best = larger(estimate(at, both(at)), best);
        store(of_several + several, best);
        largest = larger(best, largest);
    }
    const long rest = k;
    for (; k + LANES <= count; k += LANES) largest = larger(estimate(k, both(k)), largest);
    if (k < count)
        largest = larger(estimate(k, positions() + k < count ? both(k) : Doubles{} - INFINITE),
                         largest);

    const double most = largest_lane(largest);
    const bool estimated = most > SMALLEST_ESTIMATE && most < LARGEST_ESTIMATE;
    const double least = estimated ? NEAR * most : -1.0;
    long vectors = 0, last = 0;
    unsigned lanes_of_last = 0;
    const auto look_at = [&](long at) {  // without branches: none could be predicted
        const unsigned lanes = reaching(load<Doubles>(estimates + at), least);
        vectors += lanes != 0;
        last = lanes ? at : last;
        lanes_of_last = lanes ? lanes : lanes_of_last;
    };
    for (k = 0; k < several; k += LANES)
        if (reaching(load<Doubles>(of_several + k), least))
            for (long at = 0; at < TOGETHER; at += LANES) look_at(TOGETHER / LANES * k + at);
    for (k = rest; k < count; k += LANES) look_at(k);
    const double violating = largest_lane(most_violating);
    if (estimated && vectors == 1 && (lanes_of_last & (lanes_of_last - 1)) == 0)
        return {violating, last + __builtin_ctz(lanes_of_last)};

    Largest found(0.0);  // gains are never negative, so -1 marks what cannot be chosen
    for (k = 0; k < count; k += LANES) {
        if (estimated && !reaching(load<Doubles>(estimates + k), least)) continue;
        const Doubles sum = positions() + k < count ? both(k) : Doubles{} - INFINITE;
        const Doubles curved = curvature(k);
        const Doubles gain = (sum * sum) / (curved > 0.0 ? curved : Doubles{} + TAU);
        found.take(sum > 0.0 ? gain : Doubles{} - 1.0, positions() + k);
    }
    found.join_lanes();
    return {violating, found.index[0]};
}

void add(double* sums, const float* row, double factor, long count) {
    for (long k = 0; k < count; ++k) sums[k] += row[k] * factor;
}

// Sums from k on, as many vectors at a time as stay in registers for all rows; returns where it ends.
template <int Together>
inline long add_rows_from(long k, double* sums, const double* const* rows, const double* factors,
                          long row_count, long count) {
    for (; k + Together * LANES <= count; k += Together * LANES) {
        Doubles held[Together];
        for (int each = 0; each < Together; ++each) held[each] = load<Doubles>(sums + k + each * LANES);
        for (long row = 0; row < row_count; ++row)
            for (int each = 0; each < Together; ++each)
                held[each] += load<Doubles>(rows[row] + k + each * LANES) * factors[row];
        for (int each = 0; each < Together; ++each) store(sums + k + each * LANES, held[each]);
    }
    return k;
}

void add_rows(double* sums, const double* const* rows, const double* factors, long row_count,
              long count) {
    long k = add_rows_from<4>(0, sums, rows, factors, row_count, count);
    k = add_rows_from<1>(k, sums, rows, factors, row_count, count);
    for (; k < count; ++k)
        for (long row = 0; row < row_count; ++row) sums[k] += rows[row][k] * factors[row];
}

// Where e^x is 0 in float32 and in float64, gradual underflow included.
constexpr double NOTHING_SINGLE = -104.0, NOTHING_DOUBLE = -746.0;

// e^x for x up to 700; `least` stands for all that is below. Rounded correctly but for about one
// value in a hundred: kernels whose last bits are libsvm's have ties that are decided like libsvm's.
inline Doubles exponential(Doubles x, double least) {
    constexpr double SHIFT = 0x1.8p52;  // adding it rounds to a whole number
    constexpr double LOG2E = 0x1.71547652b82fep0;
    constexpr double LN2_HIGH = 0x1.62e42fefa3800p-1, LN2_LOW = 0x1.ef35793c76730p-45;
    constexpr double TERMS[] = {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0,
                                1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,     1.0 / 120.0,
                                1.0 / 24.0,        1.0 / 6.0,        0.5};
    x = x < least ? Doubles{} + least : x;
    const Doubles shifted = fused(x, LOG2E, Doubles{} + SHIFT);
    const Doubles whole = shifted - SHIFT;
    const Doubles near = fused(whole, -LN2_HIGH, x);  // exact
    const Doubles r = fused(whole, -LN2_LOW, near);
    const Doubles rest = fused(whole, -LN2_LOW, near - r);
    // Taylor's series: |r| < 0.35, so the first term left out is below 5e-18.
    Doubles sum = Doubles{} + 1.0 / 6227020800.0;
    for (const double term : TERMS) sum = fused(sum, r, Doubles{} + term);
    // 1 + r, and apart from it what that sum rounds off and all that is smaller.
    const Doubles most = r + 1.0;
    sum = most + fused(sum * r, r, (r - (most - 1.0)) + rest);
    // 2^whole in two factors, since one alone may be too small for a double.
    const Integers power = (Integers)shifted - (Integers)(Doubles{} + SHIFT);
    const Integers half = power >> 1;
    const Integers low = (half + 1023) << 52, high = (power - half + 1023) << 52;
    return sum * (Doubles)low * (Doubles)high;
}

// Calls each(products, k) for the vectors of an array that ends where it ends.
template <typename Out, typename Value>
inline void map(Out* out, const double* products, long count, Value value) {
    long k = 0;
    for (; k + LANES <= count; k += LANES) store(out + k, value(load<Doubles>(products + k), k));
    if (k == count) return;
    const Doubles last = value(load_part(products + k, count - k), k);
    for (int lane = 0; k < count; ++k, ++lane) out[k] = static_cast<Out>(last[lane]);
}

void rbf(float* out, const double* products, const double* squares, double square, double gamma,
         long count) {
    map(out, products, count, [=](Doubles product, long k) {
        const Doubles distance = square + load<Doubles>(squares + k) - 2.0 * product;
        return exponential(-gamma * distance, NOTHING_SINGLE);
    });
}

void rbf_clamped(double* out, const double* products, const double* squares, double square,
                 double gamma, long count) {
    map(out, products, count, [=](Doubles product, long k) {
        const Doubles distance = square + load<Doubles>(squares + k) - 2.0 * product;
        return exponential(-gamma * (distance < 0.0 ? Doubles{} : distance), NOTHING_DOUBLE);
    });
}

template <typename Out>
void cube(Out* out, const double* products, double gamma, long count) {
    map(out, products, count, [=](Doubles product, long) {
        const Doubles base = gamma * product;
        return base * (base * base);
    });
}

void cubic(float* out, const double* products, double gamma, long count) {
    cube(out, products, gamma, count);
}

void cubic_wide(double* out, const double* products, double gamma, long count) {
    cube(out, products, gamma, count);
}

bool any(Integers lanes) {
    int64_t found = 0;
    for (int lane = 0; lane < LANES; ++lane) found |= lanes[lane];
    return found != 0;
}

// What is not a number must not pass for far away.
double least_distance(const double* products, const double* squares, double square, long count) {
    Doubles least = Doubles{} + INFINITE;
    Integers unknown = {};
    for (long k = 0; k < count; k += LANES) {
        const Integers inside = positions() + k < count;
        const Doubles distance =
            square + load<Doubles>(squares + k) - 2.0 * load_part(products + k, count - k);
        unknown |= inside & ~(distance > -INFINITE);
        least = inside & (distance < least) ? distance : least;
    }
    double smallest = any(unknown) ? -INFINITE : INFINITE;
    for (int lane = 0; lane < LANES; ++lane)
        if (least[lane] < smallest) smallest = least[lane];
    return smallest;
}

CubicRow cubic_row(const double* products, const double* norms, double norm, double margin,
                   long count) {
    Doubles least = Doubles{} + INFINITE, largest = {};
    Integers near = {};
    for (long k = 0; k < count; k += LANES) {
        const Integers inside = positions() + k < count;
        const Doubles product = load_part(products + k, count - k);
        const Doubles value = product * product * product;
        const Doubles magnitude = value < 0.0 ? -value : value;
        const Doubles sum = norm + load<Doubles>(norms + k);
        near |= inside & ~((sum - 2.0 * value) > margin * sum);
        largest = inside & (magnitude > largest) ? magnitude : largest;
        least = inside & (magnitude > 0.0) & (magnitude < least) ? magnitude : least;
    }
    CubicRow row{!any(near), INFINITE, 0};
    for (int lane = 0; lane < LANES; ++lane) {
        if (largest[lane] > row.largest) row.largest = largest[lane];
        if (least[lane] < row.least) row.least = least[lane];
    }
    return row;
}

}  // namespace

extern const Passes PASSES;
const Passes PASSES = {PASSES_NAME, update, second,     add,            add_rows, rbf,
                       rbf_clamped, cubic,  cubic_wide, least_distance, cubic_row};
