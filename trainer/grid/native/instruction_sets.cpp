#include "instruction_sets.hpp"

#include <stdexcept>

#ifdef HAS_PASSES_portable
extern const Passes passes_portable;

std::vector<const Passes*> usable_passes() { return {&passes_portable}; }
#else
extern const Passes passes_sse2, passes_avx2, passes_avx512;

std::vector<const Passes*> usable_passes() {
    __builtin_cpu_init();
    std::vector<const Passes*> usable;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        usable.push_back(&passes_avx512);
    if (__builtin_cpu_supports("avx2")) usable.push_back(&passes_avx2);
    usable.push_back(&passes_sse2);
    return usable;
}
#endif

const Passes& choose_passes(const std::string& name) {
    for (const Passes* passes : usable_passes())
        if (name.empty() || name == passes->name) return *passes;
    throw std::invalid_argument("no instruction set " + name + " on this processor");
}
