// Which instructions for short dot products (kernels/dot.h) this processor has and the system lets us use: found once,
// capped by CHAINRULE_DOT (none, vectors, tiles).
// Invariant: the matrix unit's state is asked of the system (Linux) before the first answer names it.
#pragma once

#include "kernels/table.h"

namespace chainrule {

// The best unit for products of the type at the level in use; none where that has no kernel for it, or where float32 is
// faster and the cap doesn't ask for vectors.
DotUnit dot_unit(DotType type);
// The cap, which tests change: "none", "vectors" or "tiles". Throws std::invalid_argument.
const char* dot_cap();
void set_dot_cap(const char* name);

}  // namespace chainrule
