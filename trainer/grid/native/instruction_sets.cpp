#include "instruction_sets.hpp"

#include <stdexcept>

#ifdef HAS_PASSES_portable
extern const Passes passes_portable;
extern const Multiplier multiplier_portable;

std::vector<InstructionSet> usable_sets() { return {{&passes_portable, &multiplier_portable}}; }
#else
extern const Passes passes_sse2, passes_avx2, passes_avx512;
extern const Multiplier multiplier_sse2, multiplier_avx2, multiplier_avx512;

std::vector<InstructionSet> usable_sets() {
    __builtin_cpu_init();
    const bool fma = __builtin_cpu_supports("fma");
    std::vector<InstructionSet> usable;
    if (fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        usable.push_back({&passes_avx512, &multiplier_avx512});
    if (fma && __builtin_cpu_supports("avx2")) usable.push_back({&passes_avx2, &multiplier_avx2});
    usable.push_back({&passes_sse2, &multiplier_sse2});
    return usable;
}
#endif

InstructionSet choose_set(const std::string& name) {
    for (const InstructionSet& usable : usable_sets())
        if (name.empty() || name == usable.passes->name) return usable;
    throw std::invalid_argument("no instruction set " + name + " on this processor");
}
