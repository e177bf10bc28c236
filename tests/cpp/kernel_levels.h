// Walks the kernel tests through every instruction-set level that this machine can run.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/cpu.h"

namespace chainrule {

class EachLevel : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    before_ = kernels().isa;
    set_isa(GetParam().c_str());
  }
  void TearDown() override { set_isa(before_.c_str()); }

 private:
  std::string before_;
};

inline std::vector<std::string> levels() {
  const char* names[8];
  const int count = available_isas(names, 8);
  return {names, names + count};
}

}  // namespace chainrule
