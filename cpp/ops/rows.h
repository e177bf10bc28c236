// Running row kernels along any axis: where the axis isn't the last, blocks of rows are moved to scratch memory and
// back. Invariant: operands are contiguous and all have the shape (outer, length, inner) of the Split.
#pragma once

#include "ops/support.h"
#include "ops/walk.h"

namespace chainrule {

// The lines along the axis, as a walk over (outer, inner, length).
inline Walk line_walk(const Split& split) {
  return make_walk({split.outer, split.inner, split.length},
                   {split.length * split.inner, std::int64_t{1}, split.inner});
}

// Calls body(out, in, rows) on blocks of rows (rows, length): `outputs` arrays out and `inputs` arrays in.
// `work` is the cost of one element beside that of an addition. Scratch slots 0 and 1 are used.
template <int inputs, int outputs, class Body>
void for_rows(const Split& split, std::int64_t work, const std::size_t* in_bytes, const std::size_t* out_bytes,
              const void* const* in, void* const* out, Body&& body) {
  const std::int64_t n = split.length;
  if (n == 0) return;
  const bool direct = split.inner == 1;
  const Walk walk = direct ? Walk{} : line_walk(split);
  for_chunks(split.outer * split.inner, n * work, [&](std::int64_t row, std::int64_t count) {
    const std::int64_t together = direct ? count : std::max<std::int64_t>(1, std::min(count, 8192 / n));
    for (const std::int64_t end = row + count; row < end; row += together) {
      const std::int64_t rows = std::min(together, end - row);
      const void* from[inputs];
      void* to[outputs];
      char* gathered =
          direct ? nullptr : static_cast<char*>(thread_scratch(0, static_cast<std::size_t>(rows * n) * 8 * inputs));
      char* made =
          direct ? nullptr : static_cast<char*>(thread_scratch(1, static_cast<std::size_t>(rows * n) * 8 * outputs));
      for (int i = 0; i < inputs; ++i) {
        if (direct) {
          from[i] = static_cast<const char*>(in[i]) + row * n * static_cast<std::int64_t>(in_bytes[i]);
        } else {
          gather(walk, in_bytes[i], gathered + i * rows * n * 8, in[i], row * n, rows * n);
          from[i] = gathered + i * rows * n * 8;
        }
      }
      for (int k = 0; k < outputs; ++k)
        to[k] = direct ? static_cast<char*>(out[k]) + row * n * static_cast<std::int64_t>(out_bytes[k])
                       : made + k * rows * n * 8;
      body(to, from, rows);
      if (!direct)
        for (int k = 0; k < outputs; ++k) scatter(walk, out_bytes[k], out[k], to[k], row * n, rows * n);
    }
  });
}

}  // namespace chainrule
