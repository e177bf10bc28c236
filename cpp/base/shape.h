// Shapes and strides: short inline vectors of lengths, and the broadcasting rule.
// Invariant: at most kMaxDims axes; lengths are >= 0; strides count elements, not bytes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/error.h"

namespace chainrule {

constexpr int kMaxDims = 16;

struct Shape {
  int ndim = 0;
  std::int64_t dims[kMaxDims];

  Shape() = default;
  Shape(const Shape& other) noexcept { *this = other; }
  Shape& operator=(const Shape& other) noexcept {
    ndim = other.ndim;
    for (int i = 0; i < ndim; ++i) dims[i] = other.dims[i];  // only what is used: heads are copied on every call
    return *this;
  }
  Shape(std::initializer_list<std::int64_t> list) {
    for (std::int64_t length : list) push_back(length);
  }
  template <class Iterator>
  Shape(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(*first);
  }

  std::int64_t& operator[](int i) { return dims[i]; }
  std::int64_t operator[](int i) const { return dims[i]; }
  const std::int64_t* begin() const { return dims; }
  const std::int64_t* end() const { return dims + ndim; }
  void push_back(std::int64_t length) {
    if (ndim == kMaxDims) throw ShapeError(message("a tensor has at most ", kMaxDims, " axes"));
    dims[ndim++] = length;
  }
  bool operator==(const Shape& other) const {
    if (ndim != other.ndim) return false;
    for (int i = 0; i < ndim; ++i)
      if (dims[i] != other.dims[i]) return false;
    return true;
  }
  bool operator!=(const Shape& other) const { return !(*this == other); }
};
using Strides = Shape;

inline std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (std::int64_t length : shape) count *= length;
  return count;
}

inline Strides contiguous_strides(const Shape& shape) {
  Strides strides;
  strides.ndim = shape.ndim;
  std::int64_t step = 1;
  for (int i = shape.ndim - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

// As Python prints a tuple: "()", "(3,)", "(2, 3)".
inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int i = 0; i < shape.ndim; ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.ndim == 1 ? ",)" : ")");
}

// Aligned from the right, axes of length 1 stretched; false where two lengths differ and neither is 1.
inline bool broadcast(const Shape& a, const Shape& b, Shape& out) {
  const int ndim = a.ndim > b.ndim ? a.ndim : b.ndim;
  out.ndim = ndim;
  for (int i = 0; i < ndim; ++i) {
    const int ia = i - (ndim - a.ndim), ib = i - (ndim - b.ndim);
    const std::int64_t la = ia < 0 ? 1 : a[ia], lb = ib < 0 ? 1 : b[ib];
    if (la != lb && la != 1 && lb != 1) return false;
    out[i] = la == 1 ? lb : la;
  }
  return true;
}

// -ndim <= axis < ndim, turned to 0 <= axis < ndim.
inline int normalize_axis(std::int64_t axis, int ndim, const char* op) {
  if (axis < -ndim || axis >= ndim)
    throw AxisError(message("[", op, "] axis ", axis, " is out of bounds for array of dimension ", ndim));
  return static_cast<int>(axis < 0 ? axis + ndim : axis);
}

}  // namespace chainrule
