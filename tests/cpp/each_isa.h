// The walk of kernel_levels.h as a loop, for tests that are typed already and so can't be parametrised by level as
// well.
#pragma once

#include <gtest/gtest.h>

#include "kernel_levels.h"
#include "runtime/cpu.h"

namespace chainrule {

template <class Body>
void each_isa(Body body) {
  const std::string before = kernels().isa;
  for (const std::string& level : levels()) {
    SCOPED_TRACE(level);
    set_isa(level.c_str());
    body(kernels());
  }
  set_isa(before.c_str());
}

}  // namespace chainrule
