// Matrix products of bfloat16 (float32 sums) and of 8-bit integers (int32 sums), on instructions that add short dot
// products: two bfloat16 or four 8-bit products go to one 32-bit sum. Owned by kernels/dot_pack.cpp and
// kernels/dot.cpp, which fill it, and tensor/dot.cpp, which cuts products into panels and strips. Invariants: both
// operands are packed into tiles of 16 rows of 64 bytes, a 32-bit word of which holds the 2 or 4 neighbours along k
// that one instruction takes; what lies outside the matrix is zero. A sum is formed over k in rising order, so how a
// product is cut changes no bit.
//   A: panels of 32 rows.    For each step of k: tile of rows 0-15, tile of rows 16-31. Row i of a tile is row i of A.
//   B: strips of 32 columns. For each step of k: tile of columns 0-15, tile of 16-31. Row g of a tile is k-group g.
#pragma once

#include <stdint.h>

namespace chainrule {

enum class DotType : uint8_t { bfloat16, signed_bytes, unsigned_bytes };  // of A; B is bfloat16 or signed bytes
constexpr int kDotTypes = 3;
// Which instructions: vdpbf16ps and vpdpbusd, or those of the matrix unit (AMX).
enum class DotUnit : uint8_t { none, vectors, tiles };
constexpr int kDotUnits = 3;

constexpr int64_t kDotWidth = 32;            // rows of a panel, columns of a strip
constexpr int64_t kDotStepBytes = 2 * 1024;  // of a panel or a strip for one step of k
constexpr int64_t dot_step(int64_t itemsize) { return 64 / itemsize; }
constexpr int64_t dot_steps(int64_t k, int64_t itemsize) { return (k + dot_step(itemsize) - 1) / dot_step(itemsize); }

// One panel or strip: element (lane, p) is src[lane * lane_step + p * k_step].
struct DotPack {
  void* dst;
  const void* src;
  int64_t lane_step, k_step;  // elements
  int64_t lanes, k;           // lanes: 1 .. kDotWidth
  bool strip;                 // of B; else a panel of A
  bool flip;                  // signed bytes become unsigned, 128 larger
};

// A panel times a strip, `steps` steps of k.
struct DotProduct {
  const void *a, *b;
  int64_t steps;
  int64_t rows, cols;    // that exist
  void* sums;            // kDotWidth rows of kDotWidth 32-bit sums, written or added to
  const int32_t* start;  // of integers: what the sums of each column begin with; null: 0
  bool accumulate;       // begin with what is there
};

// Sums into C: rounded to bfloat16 after the sum, after the bias is added; relu.
struct DotFinish {
  const float* sums;
  int64_t rows, cols;
  uint16_t* c;
  int64_t c_row;
  const uint16_t* bias;  // null, or one for each column
  bool relu;
};

struct DotKernels {
  void (*pack[2])(const DotPack&);  // elements of 1 and 2 bytes
  // Null where the level has no such instructions. Between begin and end, on one thread.
  void (*multiply[kDotUnits][kDotTypes])(const DotProduct&);
  void (*begin)(DotUnit unit);
  void (*end)(DotUnit unit);
  void (*finish)(const DotFinish&);
  // out[j] = -128 * (the sum of column j of a strip of signed bytes), for A that was flipped.
  void (*unflip)(int32_t* out, const void* strip, int64_t steps);
};

}  // namespace chainrule
