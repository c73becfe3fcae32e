// See passes.hpp. Compiled once for each instruction set, which decides how wide a vector is.
#include "passes.hpp"

#include <stdint.h>

#if defined(__AVX512F__)
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

// With AVX-512 said outright: GCC 12 takes five instructions for what is one.
inline Doubles widened(const float* from) {
#if defined(__AVX512F__)
    return _mm512_cvtps_pd(_mm256_loadu_ps(from));
#else
    return __builtin_convertvector(load<Floats>(from), Doubles);
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

Second second(const double* f, const double* low, const float* row, const double* diagonal,
              double diagonal_i, double violation, long count) {
    // Gains are never negative, so -1 marks what cannot be chosen.
    Largest even(0.0), odd(0.0);
    Doubles most_even = Doubles{} - INFINITE, most_odd = most_even;
    Integers at = positions();
    const auto both = [&](long k) {
        return violation + (load<Doubles>(f + k) + load<Doubles>(low + k));
    };
    const auto gain = [&](long k, Doubles sum) {
        Doubles curvature = (diagonal_i + load<Doubles>(diagonal + k)) - 2.0 * widened(row + k);
        curvature = curvature > 0.0 ? curvature : Doubles{} + TAU;
        return sum > 0.0 ? (sum * sum) / curvature : Doubles{} - 1.0;
    };
    long k = 0;
    for (; k + 2 * LANES <= count; k += 2 * LANES) {
        const Doubles a = both(k), b = both(k + LANES);
        most_even = a > most_even ? a : most_even;
        most_odd = b > most_odd ? b : most_odd;
        even.take(gain(k, a), at);
        odd.take(gain(k + LANES, b), at + LANES);
        at += 2 * LANES;
    }
    for (; k < count; k += LANES, at += LANES) {
        const Doubles a = at < count ? both(k) : Doubles{} - INFINITE;
        most_even = a > most_even ? a : most_even;
        even.take(gain(k, a), at);
    }
    even.join(odd);
    even.join_lanes();
    most_even = most_odd > most_even ? most_odd : most_even;
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        const Doubles other = rotated(most_even, distance);
        most_even = other > most_even ? other : most_even;
    }
    return {most_even[0], even.index[0]};
}

void add(double* sums, const float* row, double factor, long count) {
    for (long k = 0; k < count; ++k) sums[k] += row[k] * factor;
}

void add_wide(double* __restrict__ sums, const double* __restrict__ row, double factor,
              long count) {
    for (long k = 0; k < count; ++k) sums[k] += row[k] * factor;
}

// Where e^x is 0 in float32 and in float64, gradual underflow included.
constexpr double NOTHING_SINGLE = -104.0, NOTHING_DOUBLE = -746.0;

// e^x for x up to 700; `least` stands for all that is below. Rounded correctly but for about two
// values in a hundred: kernels whose last bits are libsvm's have ties that are decided like libsvm's.
inline Doubles exponential(Doubles x, double least) {
    constexpr double SHIFT = 0x1.8p52;  // adding it rounds to a whole number
    constexpr double LOG2E = 0x1.71547652b82fep0;
    constexpr double LN2_HIGH = 0x1.62e42fefa3800p-1, LN2_LOW = 0x1.ef35793c76730p-45;
    x = x < least ? Doubles{} + least : x;
    const Doubles shifted = x * LOG2E + SHIFT;
    const Doubles whole = shifted - SHIFT;
    const Doubles near = x - whole * LN2_HIGH;  // exact
    const Doubles r = near - whole * LN2_LOW;
    const Doubles rest = (near - r) - whole * LN2_LOW;
    // Taylor's series: |r| < 0.35, so the first term left out is below 5e-18.
    Doubles sum = Doubles{} + 1.0 / 6227020800.0;
    sum = sum * r + 1.0 / 479001600.0;
    sum = sum * r + 1.0 / 39916800.0;
    sum = sum * r + 1.0 / 3628800.0;
    sum = sum * r + 1.0 / 362880.0;
    sum = sum * r + 1.0 / 40320.0;
    sum = sum * r + 1.0 / 5040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    // 1 + r, and apart from it what that sum rounds off and all that is smaller.
    const Doubles most = r + 1.0;
    sum = most + (sum * r * r + ((r - (most - 1.0)) + rest));
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
const Passes PASSES = {PASSES_NAME, update, second,     add,            add_wide, rbf,
                       rbf_clamped, cubic,  cubic_wide, least_distance, cubic_row};
