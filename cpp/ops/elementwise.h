// How a line of elementwise.def runs over tensors of any shape; shared by eager calls and the fused blocks of programs.
#pragma once

#include "ops/op.h"

namespace chainrule {

enum class ElementwiseTypes : std::uint8_t { floats, numbers, integers, all, select };
ElementwiseTypes elementwise_types(ElementwiseOp opcode);
bool elementwise_accepts(ElementwiseTypes types, DType dtype);
bool elementwise_gives_bool(ElementwiseOp opcode);

// The kernel of an op of this table for its inputs' dtype (of `where`, the values' dtype).
ElementwiseFn elementwise_kernel(const Op& op, const Tensor* inputs, int n_inputs);

// The result, computed at once, if the call is small and plain: inputs of one dtype, each contiguous of one shape or
// 0-d. An empty tensor otherwise. The same kernel on the same elements as the general way, without its planning.
Tensor elementwise_now(const Op& op, const Tensor* inputs, int n_inputs);

// Elements of a chunk that one thread takes: work is cut at multiples of this, whatever the number of threads.
constexpr std::int64_t kElementwiseChunk = 16384;

// Of an op by itself: functions of floats take so long that a few thousand elements are worth a second thread.
std::int64_t elementwise_chunk(ElementwiseOp opcode, DType dtype, std::int64_t size);

}  // namespace chainrule
