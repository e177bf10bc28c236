// Numbers of rows of an embedding's table, read from a tensor of any type.
// Invariant: a number outside of the table is an IndexError that names the layer; a negative one counts from the end,
// a float is truncated.
#pragma once

#include <cstdint>
#include <string>

#include "base/dtype.h"

namespace chainrule {

struct RowNumbers {
  std::int64_t rows;  // of the table
  std::string layer;
  // out[i] = the row of number first + i, for i < n.
  void (*read)(const RowNumbers& self, const void* numbers, std::int64_t first, std::int64_t n, std::int64_t* out);
};
RowNumbers row_numbers(DType dtype, std::int64_t rows, const std::string& layer);

}  // namespace chainrule
