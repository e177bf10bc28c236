// What the structured ops share: calling other ops, axes, cutting work into chunks, choosing code by element type.
// Invariant: work is cut by sizes alone, never by the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <vector>

#include "ops/op.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"

namespace chainrule {

// ---- calling ops ---------------------------------------------------------------------------------------------------

inline Tensor call_op(const Op& op, std::initializer_list<Tensor> inputs, const Attrs& attrs = {}) {
  return apply(op, inputs.begin(), static_cast<int>(inputs.size()), attrs);
}
inline Tensor call_op(const char* name, std::initializer_list<Tensor> inputs, const Attrs& attrs = {}) {
  return call_op(*find_op(name), inputs, attrs);
}

// Op::prepare of ops that read contiguous memory only.
inline bool contiguous_inputs(const Call& call, std::vector<Tensor>& prepared) {
  bool all = true;
  for (int i = 0; i < call.n_inputs; ++i) all = all && (!call.has(i) || call.in(i).is_contiguous());
  if (all) return false;
  for (int i = 0; i < call.n_inputs; ++i)
    prepared.push_back(!call.has(i) || call.in(i).is_contiguous() ? call.in(i) : call_op("copy", {call.in(i)}));
  return true;
}

// ---- parameters ----------------------------------------------------------------------------------------------------

inline AttrParam attr_with_default(const char* name, AttrKind kind, Attr value) {
  AttrParam param{name, kind, std::move(value)};
  return param;
}
inline AttrParam nullable_attr(const char* name, AttrKind kind) {
  AttrParam param{name, kind, Attr()};
  param.nullable = true;
  return param;
}
inline AttrParam required_attr(const char* name, AttrKind kind) {
  AttrParam param{name, kind, Attr()};
  param.required = true;
  return param;
}

// Which axes an `axis` attribute (None, an integer or several) names.
struct AxisSet {
  bool has[kMaxDims] = {};
};
inline AxisSet axes_of(const Attr& attr, int ndim, const char* op) {
  AxisSet set;
  if (attr.is_none()) {
    for (int axis = 0; axis < ndim; ++axis) set.has[axis] = true;
    return set;
  }
  const std::int64_t* first = attr.kind == AttrKind::integers ? attr.integers.data() : &attr.integer;
  const std::size_t count = attr.kind == AttrKind::integers ? attr.integers.size() : 1;
  for (std::size_t i = 0; i < count; ++i) {
    // NumPy reduces a number along "its" axis, too, but lets no tuple name it.
    if (ndim == 0 && attr.kind == AttrKind::integer && (first[i] == 0 || first[i] == -1)) continue;
    const int axis = normalize_axis(first[i], ndim, op);
    if (set.has[axis]) throw ValueError(message("[", op, "] axis ", axis, " is named twice in 'axis'"));
    set.has[axis] = true;
  }
  return set;
}
inline std::vector<std::int64_t> axis_list(const AxisSet& set, int ndim) {
  std::vector<std::int64_t> list;
  for (int axis = 0; axis < ndim; ++axis)
    if (set.has[axis]) list.push_back(axis);
  return list;
}
inline Shape reduced_shape(const Shape& shape, const AxisSet& set, bool keepdims) {
  Shape out;
  for (int axis = 0; axis < shape.ndim; ++axis) {
    if (!set.has[axis]) {
      out.push_back(shape[axis]);
    } else if (keepdims) {
      out.push_back(1);
    }
  }
  return out;
}

// The lengths before, at and after an axis, multiplied together.
struct Split {
  std::int64_t outer, length, inner;
};
inline Split split_at(const Shape& shape, int axis) {
  Split split{1, shape[axis], 1};
  for (int i = 0; i < axis; ++i) split.outer *= shape[i];
  for (int i = axis + 1; i < shape.ndim; ++i) split.inner *= shape[i];
  return split;
}

// ---- chunks --------------------------------------------------------------------------------------------------------

constexpr std::int64_t kSerialWork = 32768;  // elements of cheap work that aren't worth a second thread
constexpr std::int64_t kChunkWork = 20480;   // elements a chunk should have

// Whether results are better made block by block and written past the caches, where so many bytes are read and written
// that the caches will have lost them anyway: an ordinary store reads the line first.
constexpr std::int64_t kStreamBlock = 4096;  // bytes
inline bool worth_streaming(std::int64_t traffic) { return traffic > cache_sizes().l3 && kernels().move.stream; }

// Calls body(first, count) over [0, items), in parallel where items * work (elements' worth each) is worth it.
template <class Body>
void for_chunks(std::int64_t items, std::int64_t work, Body&& body) {
  if (items <= 0) return;
  if (items == 1 || items * work <= kSerialWork) {
    body(std::int64_t{0}, items);
    return;
  }
  const std::int64_t size = std::max<std::int64_t>(1, kChunkWork / std::max<std::int64_t>(work, 1));
  parallel_for((items + size - 1) / size,
               [&](std::int64_t chunk) { body(chunk * size, std::min(size, items - chunk * size)); });
}

// ---- element types -------------------------------------------------------------------------------------------------

// An element of type bool. A C++ bool must be 0 or 1; memory that isn't ours may hold any byte for true.
class Truth {
 public:
  Truth() = default;
  Truth(bool value) : byte_(value) {}
  operator bool() const { return byte_ != 0; }

 private:
  unsigned char byte_ = 0;
};

// Calls f with a value of the C++ type of t; ops have float16 and bfloat16 widened before they come here.
template <class F>
void dispatch(DType t, F&& f) {
  switch (t) {
    case DType::Bool:
      return f(Truth{});
    case DType::I8:
      return f(std::int8_t{});
    case DType::I16:
      return f(std::int16_t{});
    case DType::I32:
      return f(std::int32_t{});
    case DType::I64:
      return f(std::int64_t{});
    case DType::U8:
      return f(std::uint8_t{});
    case DType::U16:
      return f(std::uint16_t{});
    case DType::U32:
      return f(std::uint32_t{});
    case DType::U64:
      return f(std::uint64_t{});
    case DType::F16:
    case DType::BF16:
      throw std::logic_error("there is no C++ type of half precision");
    case DType::F32:
      return f(float{});
    case DType::F64:
      return f(double{});
  }
}
// The same for unsigned integers of 1, 2, 4 and 8 bytes, where elements are only moved.
template <class F>
void dispatch_size(std::size_t itemsize, F&& f) {
  switch (itemsize) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

// Of the tables by element size.
constexpr int log2_itemsize(std::int64_t bytes) { return bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3; }

inline int float_index(DType t) { return t == DType::F64 ? 1 : 0; }  // of the tables for F32 and F64

}  // namespace chainrule
