// Micro-kernels of matrix multiplication, packing, and rows of dot products, for float and double.
#include "kernels/gemm.h"

#include "kernels/gemm_vector.h"
#if defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__)
#define CR_GEMM_AVX2
#include "kernels/gemm_avx2.h"
#endif
#include "kernels/parts.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

// ---- the tile: H rows by NV vectors of C held in registers while k runs -------------------------

// As many accumulators as the registers hold beside one row of B and a broadcast, and at least 8 where the height
// allows, to cover the latency of a multiply-add.
#if defined(__AVX512F__)
constexpr int kTileRows = 14, kTileVectors = 2;
constexpr int strip_vectors(int rows) { return rows <= 2 ? 8 : rows <= 6 ? 4 : 2; }
#elif defined(__aarch64__)
constexpr int kTileRows = 8, kTileVectors = 3;
constexpr int strip_vectors(int rows) { return rows <= 2 ? 8 : rows <= 4 ? 4 : 3; }
#else
constexpr int kTileRows = 6, kTileVectors = 2;
constexpr int strip_vectors(int rows) { return rows == 1 ? 8 : rows == 2 ? 4 : rows == 3 ? 3 : 2; }
#endif
constexpr int kMaxStripVectors = 8;
// Tiles that can pack B on the way: those of several panels. A lone panel would never read the copy.
template <int H, int NV>
constexpr bool kStores = H > kTileRows / 2 && NV <= kTileVectors;

template <class T>
struct Tile {
  const T *a, *b;
  int64_t a_row, a_col, b_row, k;
  bool b_padded;  // B is packed: its last vectors may be read whole
  T* store;       // null, or where the strip of B is packed as it is read: kTileVectors vectors to the next p
  // With rows of A adjacent: `ahead_rows` rows, each of k / ahead_rows elements `ahead_step` apart, fetched into the
  // second-level cache.
  const T* ahead;
  int64_t ahead_step, ahead_rows, ahead_row_step;
  T* c;
  int64_t c_row;
  const T* next_c;  // null, or where the next tile begins: its rows are fetched while this one is computed
  const T* bias;
  int last_lanes;  // lanes of the last vector of a row that exist, 1 .. kLanes
  bool accumulate, relu;
};
template <class T>
using TileFn = void (*)(const Tile<T>&);

template <class T>
CR_INLINE Vector<T> relu(Vector<T> v) {
  return v < Vector<T>{} ? Vector<T>{} : v;  // keeps nan
}

enum class RowsOfA { adjacent, apart };

// Steps of k that lie between a line's prefetch into the first-level cache and its use: farther off, what another core
// has just written arrives in time; but rows of A apart need that cache themselves.
template <RowsOfA Rows>
constexpr int kAhead = Rows == RowsOfA::adjacent ? 20 : 10;

template <int H, RowsOfA Rows>
constexpr int kPointers = Rows == RowsOfA::adjacent ? 1 : (H + 2) / 3;

// c += one column of A times one row of B. Rows of A that are adjacent (packed or transposed) are read at constant
// offsets from one pointer; rows apart need a pointer for every three.
template <class T, int H, int NV, bool Whole, RowsOfA Rows>
CR_INLINE void multiply_step(const T* const* a, int64_t a_row, int offset, const T* b, int64_t b_ahead,
                             const Partial<T>& last, T* store_to, Vector<T> (&c)[H][NV]) {
  constexpr int W = kLanes<T>, kLine = 64 / static_cast<int>(sizeof(T));
  Vector<T> x[NV];
  CR_UNROLL(8)
  for (int j = 0; j < NV; ++j) {
    x[j] = Whole || j < NV - 1 ? load(b + j * W) : last.load(b + j * W);
    if (j * W % kLine == 0) __builtin_prefetch(b + b_ahead + j * W, 0, 3);
    if (store_to) store(store_to + j * W, x[j]);
  }
  CR_UNROLL(16)
  for (int i = 0; i < H; ++i) {
    const Vector<T> y = broadcast(Rows == RowsOfA::adjacent ? a[0][i] : a[i / 3][i % 3 * a_row + offset]);
    CR_UNROLL(8)
    for (int j = 0; j < NV; ++j) c[i][j] += y * x[j];
  }
}

#if defined(CR_GEMM_AVX2)
static_assert(kTileRows == kLoopTileRows && kTileVectors == 2, "packed operands as kernels/gemm_avx2.h reads them");

// The steps of `multiply` that the loops of kernels/gemm_avx2.h take, with the pointers moved on; returns how many.
template <class T, int H, int NV, bool Whole, RowsOfA Rows, bool Store>
CR_INLINE int64_t multiply_in_assembly(const Tile<T>& t, const T* (&a)[kPointers<H, Rows>], const T*& b, T*& to,
                                       Vector<T> (&c)[H][NV]) {
  constexpr int kTileCols = kTileVectors * kLanes<T>;
  constexpr int64_t kSize = sizeof(T);
  constexpr bool kApart = Rows == RowsOfA::apart;
  // Rows of the next panel are fetched before the loop, lines that lie apart by the loop that the compiler makes.
  const bool fetches_rows = t.ahead_step != 0 && t.ahead_step == t.ahead_rows;
  for (int64_t row = 0; fetches_rows && row < t.ahead_rows; ++row) {
    for (int64_t p = 0; p < t.k; p += 64 / kSize) __builtin_prefetch(t.ahead + row * t.ahead_row_step + p, 0, 2);
  }
  const LoopSteps steps{t.k / kLoopSteps, (kApart ? t.a_row : t.a_col) * kSize, t.b_row * kSize,
                        kAhead<Rows> * t.b_row * kSize, to};
  if (steps.fours == 0 || (t.ahead_step != 0 && !fetches_rows) || (!Whole && !t.b_padded) || (kApart && t.a_col != 1))
    return 0;
  const T* const first = a[0];
  const auto run = [&](auto of_a) __attribute__((always_inline)) {
    constexpr LoopA A = decltype(of_a)::value;
    if (Store) {
      run_loop<T, H, A, LoopB::stored>(a[0], b, steps, c);
    } else if (t.b_row == kTileCols) {
      run_loop<T, H, A, LoopB::packed>(a[0], b, steps, c);
    } else {
      run_loop<T, H, A, LoopB::in_place>(a[0], b, steps, c);
    }
  };
  if constexpr (kApart) {
    run(Of<LoopA::rows>{});
  } else if (t.a_col == kTileRows) {
    run(Of<LoopA::packed>{});
  } else {
    run(Of<LoopA::columns>{});
  }
  CR_UNROLL(8)
  for (int g = 1; g < kPointers<H, Rows>; ++g) a[g] += a[0] - first;
  if (Store) to += steps.fours * kLoopSteps * kTileCols;
  return steps.fours * kLoopSteps;
}
#endif

// c += A B over all of k. The pins keep the compiler from making a pointer for each row.
template <class T, int H, int NV, bool Whole, RowsOfA Rows, bool Store>
CR_INLINE void multiply(const Tile<T>& t, const Partial<T>& last, Vector<T> (&c)[H][NV]) {
  constexpr int kTileCols = kTileVectors * kLanes<T>, kUnroll = 4;
  const int64_t a_row = t.a_row, a_col = t.a_col, b_row = t.b_row, b_ahead = kAhead<Rows> * b_row;
  const T *a[kPointers<H, Rows>], *b = t.b;
  T* to = Store ? t.store : nullptr;
  CR_UNROLL(8)
  for (int g = 0; g < kPointers<H, Rows>; ++g) a[g] = t.a + 3 * g * a_row;
  const auto advance = [&](int64_t step) __attribute__((always_inline)) {
    CR_UNROLL(8)
    for (int g = 0; g < kPointers<H, Rows>; ++g) {
      a[g] += step;
      asm("" : "+r"(a[g]));
    }
  };
  int64_t p = t.k;
#if defined(CR_GEMM_AVX2)
  if constexpr (kHasLoop<T, H, NV>) p -= multiply_in_assembly<T, H, NV, Whole, Rows, Store>(t, a, b, to, c);
#endif
  if (Rows == RowsOfA::apart && a_col == 1) {
    for (; p >= kUnroll; p -= kUnroll) {
      CR_UNROLL(4)
      for (int u = 0; u < kUnroll; ++u) {
        multiply_step<T, H, NV, Whole, Rows>(a, a_row, u, b, b_ahead, last, Store ? to + u * kTileCols : nullptr, c);
        b += b_row;
        asm("" : "+r"(b));
      }
      advance(kUnroll);
      if (Store) to += kUnroll * kTileCols;
    }
  }
  for (int64_t row = Rows == RowsOfA::adjacent ? t.ahead_rows : 1; row > 0; --row) {
    const T* ahead = t.ahead + (row - 1) * t.ahead_row_step;
    const int64_t end = p - p / row;
    for (; p > end; --p) {
      if (Rows == RowsOfA::adjacent) {
        __builtin_prefetch(a[0] + kAhead<Rows> * kTileRows, 0, 3);
        __builtin_prefetch(ahead, 0, 2);
        ahead += t.ahead_step;
      }
      multiply_step<T, H, NV, Whole, Rows>(a, a_row, 0, b, b_ahead, last, to, c);
      advance(a_col);
      b += b_row;
      if (Store) to += kTileCols;
    }
  }
}

template <class T, int H, int NV, bool Whole>
CR_INLINE void multiply_tile(const Tile<T>& t) {
  constexpr int W = kLanes<T>;
  using V = Vector<T>;
  const Partial<T> last(t.last_lanes);
  V c[H][NV];
  if (t.accumulate) {
    CR_UNROLL(16)
    for (int i = 0; i < H; ++i) {
      CR_UNROLL(8)
      for (int j = 0; j < NV; ++j) {
        const T* p = t.c + i * t.c_row + j * W;
        c[i][j] = Whole || j < NV - 1 ? load(p) : last.load(p);
      }
    }
  } else {
    CR_UNROLL(16)
    for (int i = 0; i < H; ++i) {
      CR_UNROLL(8)
      for (int j = 0; j < NV; ++j) c[i][j] = V{};
    }
  }
  if (t.next_c) {
    CR_UNROLL(16)
    for (int i = 0; i < H; ++i) {
      __builtin_prefetch(t.next_c + i * t.c_row, 1, 2);
      if (NV > 1) __builtin_prefetch(t.next_c + i * t.c_row + (NV - 1) * W, 1, 2);
    }
  }
  if (kStores<H, NV> && t.store) {
    if (t.a_row == 1) {
      multiply<T, H, NV, Whole, RowsOfA::adjacent, kStores<H, NV>>(t, last, c);
    } else {
      multiply<T, H, NV, Whole, RowsOfA::apart, kStores<H, NV>>(t, last, c);
    }
  } else if (t.a_row == 1) {
    multiply<T, H, NV, Whole, RowsOfA::adjacent, false>(t, last, c);
  } else {
    multiply<T, H, NV, Whole, RowsOfA::apart, false>(t, last, c);
  }
  if (t.bias) {
    CR_UNROLL(8)
    for (int j = 0; j < NV; ++j) {
      const V x = Whole || j < NV - 1 ? load(t.bias + j * W) : last.load(t.bias + j * W);
      CR_UNROLL(16)
      for (int i = 0; i < H; ++i) c[i][j] += x;
    }
  }
  if (t.relu) {
    CR_UNROLL(16)
    for (int i = 0; i < H; ++i) {
      CR_UNROLL(8)
      for (int j = 0; j < NV; ++j) c[i][j] = relu<T>(c[i][j]);
    }
  }
  CR_UNROLL(16)
  for (int i = 0; i < H; ++i) {
    CR_UNROLL(8)
    for (int j = 0; j < NV; ++j) {
      T* p = t.c + i * t.c_row + j * W;
      if (Whole || j < NV - 1) {
        store(p, c[i][j]);
      } else {
        last.store(p, c[i][j]);
      }
    }
  }
}

template <class T, int H, int NV>
void tile(const Tile<T>& t) {
  if (t.last_lanes == kLanes<T>) {
    multiply_tile<T, H, NV, true>(t);
  } else {
    multiply_tile<T, H, NV, false>(t);
  }
}

template <class T>
struct TileTable {
  TileFn<T> of[kTileRows][kMaxStripVectors];  // [rows - 1][vectors - 1]
  constexpr TileTable() : of{} { fill<kTileRows, strip_vectors(kTileRows)>(); }
  template <int H, int NV>
  constexpr void fill() {
    of[H - 1][NV - 1] = tile<T, H, NV>;
    if constexpr (NV > 1) {
      fill<H, NV - 1>();
    } else if constexpr (H > 1) {
      fill<H - 1, strip_vectors(H - 1)>();
    }
  }
};
template <class T>
constexpr TileTable<T> kTiles;

// ---- packing ------------------------------------------------------------------------------------

// put(p, l, v): lanes l .. of column p are v. Lanes beyond `lanes` repeat the last one.
template <class T, class Put>
CR_INLINE void transpose_lanes(const T* src, int64_t lane_step, int64_t lanes, int64_t k, Put put) {
  constexpr int W = kLanes<T>;
  // Downwards, since `put` may write whole vectors, and then each group mends what the one above it spilled.
  for (int64_t l = (lanes - 1) / W * W; l >= 0; l -= W) {
    const T* row[W];
    for (int i = 0; i < W; ++i) row[i] = src + (l + i < lanes ? l + i : lanes - 1) * lane_step;
    Vector<T> x[W];
    int64_t p = 0;
    for (; p + W <= k; p += W) {
      CR_UNROLL(16)
      for (int i = 0; i < W; ++i) x[i] = load(row[i] + p);
      transpose<T>(x);
      CR_UNROLL(16)
      for (int i = 0; i < W; ++i) put(p + i, l, x[i]);
    }
    if (p < k) {
      const Partial<T> some(static_cast<int>(k - p));
      CR_UNROLL(16)
      for (int i = 0; i < W; ++i) x[i] = some.load(row[i] + p);
      transpose<T>(x);
      CR_UNROLL(16)
      for (int i = 0; i < W; ++i) {
        if (p + i < k) put(p + i, l, x[i]);
      }
    }
  }
}

template <class T>
void pack(void* dst_, int64_t width, const void* src_, int64_t lane_step, int64_t k_step, int64_t lanes, int64_t k) {
  constexpr int W = kLanes<T>;
  T* dst = static_cast<T*>(dst_);
  const T* src = static_cast<const T*>(src_);
  if (lane_step == 1) {
    const int64_t l_last = (lanes - 1) / W * W;
    const Partial<T> last(static_cast<int>(lanes - l_last));
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t l = 0; l < l_last; l += W) store(dst + p * width + l, load(src + p * k_step + l));
      store(dst + p * width + l_last, last.load(src + p * k_step + l_last));
    }
  } else if (k_step == 1) {
    transpose_lanes(src, lane_step, lanes, k, [=](int64_t p, int64_t l, Vector<T> v) __attribute__((always_inline)) {
      store(dst + p * width + l, v);
    });
  } else {
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t l = 0; l < lanes; ++l) dst[p * width + l] = src[l * lane_step + p * k_step];
    }
  }
}

// A finished tile, `rows` by `cols` with row step `width`, into a C whose unit stride runs along the tile's rows.
template <class T>
void store_transposed(const T* tile, int64_t width, int64_t rows, int64_t cols, T* c, int64_t c_row, const T* bias,
                      bool relu_too) {
  constexpr int W = kLanes<T>;
  transpose_lanes(tile, width, rows, cols, [=](int64_t j, int64_t i, Vector<T> v) __attribute__((always_inline)) {
    const Partial<T> some(static_cast<int>(rows - i < W ? rows - i : W));
    if (bias) v += some.load(bias + i);
    if (relu_too) v = relu<T>(v);
    some.store(c + j * c_row + i, v);
  });
}
// And back: what is there before products are added to it.
template <class T>
void load_transposed(T* tile, int64_t width, int64_t rows, int64_t cols, const T* c, int64_t c_row) {
  transpose_lanes(c, c_row, cols, rows, [=](int64_t i, int64_t j, Vector<T> v) __attribute__((always_inline)) {
    store(tile + i * width + j, v);
  });
}

// ---- blocks of tiles ----------------------------------------------------------------------------
template <class T>
void multiply_block(const GemmBlock& g) {
  constexpr int W = kLanes<T>, kTileCols = kTileVectors * W;
  const int64_t panels = gemm_panels(g.m, kTileRows);
  const int64_t height = g.m / panels, taller = g.m % panels;
  const int64_t strip = g.b_packed || g.b_store || g.c_transposed
                            ? kTileCols
                            : strip_vectors(static_cast<int>(taller ? height + 1 : height)) * W;
  alignas(CR_GEMM_VECTOR_BYTES) T buffer[kTileRows * kTileCols];
  Tile<T> t;
  t.k = g.k;
  t.a_row = g.a_packed || g.a_store ? 1 : g.a_row;
  t.a_col = g.a_packed || g.a_store ? kTileRows : g.a_col;
  t.c_row = g.c_transposed ? kTileCols : g.c_row;
  t.accumulate = g.accumulate;
  t.relu = g.relu && !g.c_transposed;
  t.bias = nullptr;
  const int64_t strips = (g.n + strip - 1) / strip;
  const T *a = static_cast<const T*>(g.a), *bias = static_cast<const T*>(g.bias);
  int64_t i = 0;
  for (int64_t q = 0; q < panels; ++q) {
    const int64_t rows = height + (q < taller);
    if (g.a_store) pack<T>(g.a_store, kTileRows, a, g.a_row, g.a_col, rows, g.k);
    t.a = g.a_store ? static_cast<const T*>(g.a_store) : a;
    const int64_t share = g.a_row == 1 ? 1 : (rows + strips - 1) / strips;
    const T* const next = a + (g.a_packed ? kTileRows * g.k : rows * g.a_row);
    for (int64_t j = 0; j < g.n; j += strip) {
      const int64_t cols = g.n - j < strip ? g.n - j : strip;
      const int vectors = static_cast<int>((cols + W - 1) / W);
      t.last_lanes = static_cast<int>(cols - (vectors - 1) * W);
      T* const copy = g.b_store ? static_cast<T*>(g.b_store) + j * g.k : nullptr;
      const T* const b = static_cast<const T*>(g.b) + (g.b_packed ? j * g.k : j * g.b_col);
      t.store = nullptr;
      t.b_padded = true;
      if (g.b_packed || (copy && q > 0)) {
        t.b = g.b_packed ? b : copy;
        t.b_row = kTileCols;
      } else if (copy && (g.b_col != 1 || rows <= kTileRows / 2)) {
        pack<T>(copy, kTileCols, b, g.b_col, g.b_row, cols, g.k);
        t.b = copy;
        t.b_row = kTileCols;
      } else {
        t.b = b;
        t.b_row = g.b_row;
        t.store = copy;
        t.b_padded = false;
      }
      // The strips share out what they fetch of the next panel: rows of it, or, where its rows are adjacent, the first
      // strip the lines where they begin and the second those where they end.
      const int64_t at = j / strip;
      const bool fetches = g.a_store && q + 1 < panels && at * share < (g.a_row == 1 ? 2 : rows);
      t.ahead = !fetches ? t.a : g.a_row == 1 ? next + at * (rows - 1) : next + at * share * g.a_row;
      t.ahead_rows = fetches ? share : 1;
      t.ahead_step = fetches ? g.a_col * share : 0;
      t.ahead_row_step = g.a_row;
      if (bias && !g.c_transposed) t.bias = bias + j;
      t.c = g.c_transposed ? buffer : static_cast<T*>(g.c) + i * g.c_row + j;
      t.next_c = !g.prefetch_c ? nullptr : j + strip < g.n ? t.c + strip : static_cast<T*>(g.c) + (i + rows) * g.c_row;
      T* const across = static_cast<T*>(g.c) + j * g.c_row + i;
      if (g.c_transposed && g.accumulate) load_transposed(buffer, kTileCols, rows, cols, across, g.c_row);
      kTiles<T>.of[rows - 1][vectors - 1](t);
      if (g.c_transposed)
        store_transposed(buffer, kTileCols, rows, cols, across, g.c_row, bias ? bias + i : nullptr, g.relu);
    }
    a = next;
    i += rows;
  }
}

// ---- rows of dot products -----------------------------------------------------------------------
constexpr int kDotChains = 4;

template <class T>
CR_INLINE void finish_dot(const GemmDotRows& g, int64_t i, T sum) {
  T* y = static_cast<T*>(g.y) + i * g.y_step;
  T value = g.accumulate ? *y + sum : sum;
  if (g.bias) value += static_cast<const T*>(g.bias)[i * g.bias_step];
  if (g.relu && value < 0) value = 0;
  *y = value;
}

template <class T, int R>
CR_INLINE void dot_some_rows(const GemmDotRows& g, int64_t i) {
  constexpr int W = kLanes<T>, U = kDotChains;
  using V = Vector<T>;
  const T* x = static_cast<const T*>(g.x);
  const T* m = static_cast<const T*>(g.matrix) + i * g.row_step;
  V sum[R][U] = {};
  int64_t p = 0;
  for (; p + U * W <= g.k; p += U * W) {
    CR_UNROLL(4)
    for (int u = 0; u < U; ++u) {
      const V v = load(x + p + u * W);
      CR_UNROLL(4)
      for (int r = 0; r < R; ++r) sum[r][u] += load(m + r * g.row_step + p + u * W) * v;
    }
  }
  for (; p + W <= g.k; p += W) {
    const V v = load(x + p);
    for (int r = 0; r < R; ++r) sum[r][0] += load(m + r * g.row_step + p) * v;
  }
  if (p < g.k) {
    const Partial<T> last(static_cast<int>(g.k - p));
    const V v = last.load(x + p);
    for (int r = 0; r < R; ++r) sum[r][0] += last.load(m + r * g.row_step + p) * v;
  }
  for (int r = 0; r < R; ++r) {
    alignas(CR_GEMM_VECTOR_BYTES) T lanes[W];
    store(lanes, (sum[r][0] + sum[r][1]) + (sum[r][2] + sum[r][3]));
    for (int half = W / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    }
    finish_dot(g, i + r, lanes[0]);
  }
}

// As many rows of a few elements as a vector has lanes: their sums are added up side by side. x stays in registers, and
// an element of y gets the very additions that dot_some_rows makes.
template <class T, int N>
CR_INLINE void dot_short_rows(const GemmDotRows& g, int64_t i) {
  constexpr int W = kLanes<T>;
  using V = Vector<T>;
  const T* x = static_cast<const T*>(g.x);
  const T* m = static_cast<const T*>(g.matrix) + i * g.row_step;
  const int rest = static_cast<int>(g.k - N * W);
  const Partial<T> last(rest > 0 ? rest : 1);
  V sums[W];
  for (int r = 0; r < W; ++r) {
    V sum = {};
    CR_UNROLL(4)
    for (int u = 0; u < N; ++u) sum += load(m + r * g.row_step + u * W) * load(x + u * W);
    if (rest > 0) sum += last.load(m + r * g.row_step + N * W) * last.load(x + N * W);
    sums[r] = sum;
  }
  transpose<T>(sums);
  CR_UNROLL(4)
  for (int half = W / 2; half > 0; half /= 2) {
    CR_UNROLL(8)
    for (int l = 0; l < half; ++l) sums[l] += sums[l + half];
  }
  alignas(CR_GEMM_VECTOR_BYTES) T lanes[W];
  store(lanes, sums[0]);
  for (int r = 0; r < W; ++r) finish_dot(g, i + r, lanes[r]);
}

template <class T, int N>
void dot_all_short_rows(const GemmDotRows& g) {
  int64_t i = 0;
  for (; i + kLanes<T> <= g.rows; i += kLanes<T>) dot_short_rows<T, N>(g, i);
  for (; i < g.rows; ++i) dot_some_rows<T, 1>(g, i);
}

template <class T>
void dot_rows(const GemmDotRows& g) {
  switch (g.rows < kLanes<T> ? kDotChains : g.k / kLanes<T>) {
    case 0:
      return dot_all_short_rows<T, 0>(g);
    case 1:
      return dot_all_short_rows<T, 1>(g);
    case 2:
      return dot_all_short_rows<T, 2>(g);
    case 3:
      return dot_all_short_rows<T, 3>(g);
    default:
      break;
  }
  int64_t i = 0;
  for (; i + 4 <= g.rows; i += 4) dot_some_rows<T, 4>(g, i);
  for (; i < g.rows; ++i) dot_some_rows<T, 1>(g, i);
}

// ---- sums of rows -------------------------------------------------------------------------------
template <class T, int R>
CR_INLINE void add_some_rows(const GemmAddRows& g, int64_t p, bool fresh) {
  constexpr int W = kLanes<T>;
  using V = Vector<T>;
  const T* x = static_cast<const T*>(g.x) + p * g.x_step;
  const T* row[R];
  V factor[R];
  CR_UNROLL(8)
  for (int r = 0; r < R; ++r) {
    row[r] = static_cast<const T*>(g.matrix) + (p + r) * g.row_step;
    factor[r] = broadcast(x[r * g.x_step]);
  }
  T* y = static_cast<T*>(g.y);
  int64_t j = 0;
  for (; j + W <= g.cols; j += W) {
    V sum = fresh ? V{} : load(y + j);
    CR_UNROLL(8)
    for (int r = 0; r < R; ++r) sum += factor[r] * load(row[r] + j);
    store(y + j, sum);
  }
  if (j < g.cols) {
    const Partial<T> last(static_cast<int>(g.cols - j));
    V sum = fresh ? V{} : last.load(y + j);
    CR_UNROLL(8)
    for (int r = 0; r < R; ++r) sum += factor[r] * last.load(row[r] + j);
    last.store(y + j, sum);
  }
}

template <class T>
void add_rows(const GemmAddRows& g) {
  int64_t p = 0;
  for (; p + 8 <= g.k; p += 8) add_some_rows<T, 8>(g, p, p == 0 && !g.accumulate);
  for (; p < g.k; ++p) add_some_rows<T, 1>(g, p, p == 0 && !g.accumulate);
  if (!g.bias && !g.relu) return;
  constexpr int W = kLanes<T>;
  using V = Vector<T>;
  T* y = static_cast<T*>(g.y);
  const T* bias = static_cast<const T*>(g.bias);
  const V one = broadcast(bias ? bias[0] : T{});
  for (int64_t j = 0; j < g.cols; j += W) {
    const Partial<T> some(static_cast<int>(g.cols - j < W ? g.cols - j : W));
    V value = some.load(y + j);
    if (bias) value += g.bias_step == 0 ? one : some.load(bias + j);
    some.store(y + j, g.relu ? relu<T>(value) : value);
  }
}

template <class T>
constexpr GemmKernel kernel_of() {
  return {kTileRows, kTileVectors * kLanes<T>, multiply_block<T>, dot_rows<T>, add_rows<T>, pack<T>};
}
constexpr GemmKernels kKernels = {{kernel_of<float>(), kernel_of<double>()}};

}  // namespace

const GemmKernels* gemm_kernels() { return &kKernels; }

}  // namespace chainrule::CHAINRULE_ISA
