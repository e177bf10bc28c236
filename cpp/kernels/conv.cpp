// Products whose left operand is read through tables of offsets: convolution and its gradients without copied patches.
#include "kernels/gemm.h"
#include "kernels/gemm_vector.h"
#include "kernels/parts.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

// ---- the tile: H rows by NV vectors of C held in registers while k runs
// ----------------------------------------------
#if defined(__AVX512F__)
constexpr int kDenseRows = 14, kDenseVectors = 2, kChannelRows = 6, kChannelVectors = 4;
#elif defined(__aarch64__)
constexpr int kDenseRows = 8, kDenseVectors = 3, kChannelRows = 4, kChannelVectors = 4;
#else
constexpr int kDenseRows = 6, kDenseVectors = 2, kChannelRows = 3, kChannelVectors = 3;
#endif
constexpr int kMostRows = kDenseRows, kMostVectors = 4;

template <class T>
struct Tile {
  const T* a;
  const int64_t *row, *column, *b_place, *c_place;
  const T* b;
  int64_t k;
  T* c;
  const T* bias;
  int last_lanes;  // lanes of the last vector of a row that exist, 1 .. kLanes
  bool accumulate, relu;
};
template <class T>
using TileFn = void (*)(const Tile<T>&);

template <class T, int NV, bool Whole>
CR_INLINE Vector<T> load_some(const T* p, int j, const Partial<T>& last) {
  return Whole || j < NV - 1 ? load(p + j * kLanes<T>) : last.load(p + j * kLanes<T>);
}

// Dense: one element of A for all columns. By channel: an element of A for each column.
template <class T, int H, int NV, bool Dense, bool Whole>
CR_INLINE void multiply_tile(const Tile<T>& t) {
  using V = Vector<T>;
  const Partial<T> last(t.last_lanes);
  const T* a[H];
  V c[H][NV];
  CR_UNROLL(16)
  for (int i = 0; i < H; ++i) {
    a[i] = t.a + t.row[i];
    CR_UNROLL(8)
    for (int j = 0; j < NV; ++j) c[i][j] = t.accumulate ? load_some<T, NV, Whole>(t.c + t.c_place[i], j, last) : V{};
  }
  const int64_t *const column = t.column, *const b_place = t.b_place;
  for (int64_t p = 0; p < t.k; ++p) {
    const int64_t offset = column[p];
    const T* b = t.b + b_place[p];
    V x[NV];
    CR_UNROLL(8)
    for (int j = 0; j < NV; ++j) x[j] = load_some<T, NV, Whole>(b, j, last);
    CR_UNROLL(16)
    for (int i = 0; i < H; ++i) {
      if constexpr (Dense) {
        const V y = broadcast(a[i][offset]);
        CR_UNROLL(8)
        for (int j = 0; j < NV; ++j) c[i][j] += y * x[j];
      } else {
        CR_UNROLL(8)
        for (int j = 0; j < NV; ++j) c[i][j] += load_some<T, NV, Whole>(a[i] + offset, j, last) * x[j];
      }
    }
  }
  if (t.bias) {
    CR_UNROLL(8)
    for (int j = 0; j < NV; ++j) {
      const V x = load_some<T, NV, Whole>(t.bias, j, last);
      CR_UNROLL(16)
      for (int i = 0; i < H; ++i) c[i][j] += x;
    }
  }
  if (t.relu) {
    CR_UNROLL(16)
    for (int i = 0; i < H; ++i) {
      CR_UNROLL(8)
      for (int j = 0; j < NV; ++j) c[i][j] = c[i][j] < 0 ? V{} : c[i][j];  // keeps nan
    }
  }
  CR_UNROLL(16)
  for (int i = 0; i < H; ++i) {
    T* p = t.c + t.c_place[i];
    CR_UNROLL(8)
    for (int j = 0; j < NV; ++j) {
      if (Whole || j < NV - 1) {
        store(p + j * kLanes<T>, c[i][j]);
      } else {
        last.store(p + j * kLanes<T>, c[i][j]);
      }
    }
  }
}

template <class T, int H, int NV, bool Dense>
void tile(const Tile<T>& t) {
  if (t.last_lanes == kLanes<T>) {
    multiply_tile<T, H, NV, Dense, true>(t);
  } else {
    multiply_tile<T, H, NV, Dense, false>(t);
  }
}

template <class T, bool Dense>
struct TileTable {
  static constexpr int kRows = Dense ? kDenseRows : kChannelRows, kVectors = Dense ? kDenseVectors : kChannelVectors;
  TileFn<T> of[kMostRows][kMostVectors];  // [rows - 1][vectors - 1]
  constexpr TileTable() : of{} { fill<kRows, kVectors>(); }
  template <int H, int NV>
  constexpr void fill() {
    of[H - 1][NV - 1] = tile<T, H, NV, Dense>;
    if constexpr (NV > 1) {
      fill<H, NV - 1>();
    } else if constexpr (H > 1) {
      fill<H - 1, kVectors>();
    }
  }
};
template <class T, bool Dense>
constexpr TileTable<T, Dense> kTiles;

template <class T, bool Dense>
void multiply(const TableProduct& g) {
  using Table = TileTable<T, Dense>;
  constexpr int W = kLanes<T>, kStrip = Table::kVectors * W;
  const int64_t panels = gemm_panels(g.m, Table::kRows);
  Tile<T> t;
  t.k = g.k;
  t.column = g.column;
  t.b_place = g.b_place;
  t.accumulate = g.accumulate;
  t.relu = g.relu;
  for (int64_t j = 0; j < g.n; j += kStrip) {
    const int64_t cols = g.n - j < kStrip ? g.n - j : kStrip;
    const int vectors = static_cast<int>((cols + W - 1) / W);
    t.last_lanes = static_cast<int>(cols - (vectors - 1) * W);
    t.a = static_cast<const T*>(g.a) + (Dense ? 0 : j);
    t.b = static_cast<const T*>(g.b) + (g.b_strip ? j / kStrip * g.b_strip : j);
    t.c = static_cast<T*>(g.c) + j;
    t.bias = g.bias ? static_cast<const T*>(g.bias) + j : nullptr;
    for (int64_t q = 0; q < panels; ++q) {
      const int64_t i = gemm_panel_begin(g.m, panels, q);
      const int64_t rows = gemm_panel_begin(g.m, panels, q + 1) - i;
      t.row = g.row + i;
      t.c_place = g.c_place + i;
      kTiles<T, Dense>.of[rows - 1][vectors - 1](t);
    }
  }
}

template <class T>
void fill(ConvKernels& table, int which) {
  table.multiply[which] = multiply<T, true>;
  table.multiply_channels[which] = multiply<T, false>;
  table.strip[which] = kDenseVectors * kLanes<T>;
}

}  // namespace

void fill_convolutions(ConvKernels& table) {
  fill<float>(table, 0);
  fill<double>(table, 1);
}

}  // namespace chainrule::CHAINRULE_ISA
