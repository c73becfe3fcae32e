// Which of the compiled passes this processor can run.
#pragma once

#include <string>
#include <vector>

#include "passes.hpp"

// The widest first.
std::vector<const Passes*> usable_passes();

// Throws std::invalid_argument for a name that is not among the usable ones; "" is the widest.
const Passes& choose_passes(const std::string& name);
