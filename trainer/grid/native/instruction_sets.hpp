// Which of the compiled loops this processor can run.
#pragma once

#include <string>
#include <vector>

#include "passes.hpp"
#include "products.hpp"

struct InstructionSet {
    const Passes* passes;
    const Multiplier* multiplier;
};

// The widest first.
std::vector<InstructionSet> usable_sets();

// Throws std::invalid_argument for a name that is not among the usable ones; "" is the widest.
InstructionSet choose_set(const std::string& name);
