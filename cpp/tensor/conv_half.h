// Convolution of half types and its two gradients. bfloat16 runs on the instructions of kernels/dot.h: the cells that a
// window meets are copied, 32 positions at a time, and packed as the rows of a product with the kernel. Everything else
// (float16, groups, small windows of few channels, processors without such instructions) goes through float32, some
// images at a time where each has its own results.
// Invariants: sums are float32 and rounded once; a bias and an activation after it are rounded as separate ops would.
// What is added to what depends on shapes alone, so the bits don't depend on the number of threads.
#pragma once

#include "kernels/table.h"
#include "tensor/conv.h"

namespace chainrule {

struct HalfConvPlan {
  Conv shape;  // F16 or BF16; its activation is of that type
  ConvPart part;
  DotUnit unit;         // none: through float32
  std::int64_t images;  // of that: together
  ConvPlan wide, rest;  // of so many, and of those that are left over
};

HalfConvPlan plan_half_conv(const Conv& shape, ConvPart part);
// The operands of run_conv, of the half type.
void run_half_conv(const HalfConvPlan& plan, const void* first, const void* second, const void* bias, void* result);

}  // namespace chainrule
