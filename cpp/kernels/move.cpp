// Moves: casts, strided copies, transposes, rows picked by index, rows added by index.
#include "kernels/parts.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;

// ---- casts
template <class T>
constexpr bool kFloat = T(0.5) != T(0);

// Truncation towards zero in I (int32_t or int64_t); what doesn't fit, and NaN, becomes the least I, as x86 does it.
template <class I, class F>
CR_INLINE I truncate(F x) {
  constexpr F limit = F(I(1) << (8 * sizeof(I) - 2)) * 2;  // 2^31 or 2^63
  constexpr I least = static_cast<I>(simd::UnsignedOf<I>(1) << (8 * sizeof(I) - 1));
  const bool fits = sizeof(F) > sizeof(I) ? x > -limit - F(1) && x < limit : x >= -limit && x < limit;
  return fits ? static_cast<I>(x) : least;
}

template <class To, class From>
CR_INLINE To cast_one(From x) {
  if constexpr (!kFloat<From> || kFloat<To>) {
    return static_cast<To>(x);
  } else if constexpr (sizeof(To) < 4) {
    return static_cast<To>(truncate<int32_t>(x));  // wraps, as NumPy on x86
  } else if constexpr (To(-1) < To(0)) {
    return truncate<To>(x);
  } else if constexpr (sizeof(To) == 4) {
    return static_cast<To>(truncate<int64_t>(x));
  } else {
    constexpr From half = From(uint64_t{1} << 63);
    const bool high = x >= half;
    const uint64_t low = static_cast<uint64_t>(truncate<int64_t>(high ? x - half : x));
    return high ? low ^ (uint64_t{1} << 63) : low;
  }
}

#if defined(__x86_64__)
// By way of I, of which the processor itself makes the least where a number doesn't fit, and notes an invalid operand.
template <class I, class To, class From>
void truncate_all(To* dst, const From* src, int64_t n) {
  constexpr int64_t kLanes = 64 / sizeof(From);
  typedef From Floats __attribute__((vector_size(kLanes * sizeof(From))));
  typedef I Integers __attribute__((vector_size(kLanes * sizeof(I))));
  typedef To Results __attribute__((vector_size(kLanes * sizeof(To))));
  const auto turn = [](To* to, const From* from) __attribute__((always_inline)) {
    Floats x;
    __builtin_memcpy(&x, from, sizeof x);
    const Results y = __builtin_convertvector(__builtin_convertvector(x, Integers), Results);
    __builtin_memcpy(to, &y, sizeof y);
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) turn(dst + i, src + i);
  if (i == n) return;
  From rest[kLanes] = {};
  To made[kLanes];
  __builtin_memcpy(rest, src + i, static_cast<size_t>(n - i) * sizeof(From));
  turn(made, rest);
  __builtin_memcpy(dst + i, made, static_cast<size_t>(n - i) * sizeof(To));
}
#endif

template <class To, class From>
void cast(void* dst_, const void* src_, int64_t n) {
  To* dst = static_cast<To*>(dst_);
  const From* src = static_cast<const From*>(src_);
#if defined(__x86_64__)
  if constexpr (kFloat<From> && !kFloat<To>) {
    constexpr bool is_signed = To(-1) < To(0);
    if constexpr (sizeof(To) < 4 || (sizeof(To) == 4 && is_signed)) return truncate_all<int32_t>(dst, src, n);
    if constexpr (sizeof(To) == 4 || is_signed) return truncate_all<int64_t>(dst, src, n);
  }
#endif
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dst[i] = cast_one<To, From>(src[i]);
}
// A truth value in memory that isn't ours may be any byte but 0.
template <class To>
void cast_from_bool(void* dst_, const void* src_, int64_t n) {
  To* dst = static_cast<To*>(dst_);
  const uint8_t* src = static_cast<const uint8_t*>(src_);
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dst[i] = static_cast<To>(src[i] != 0);
}
template <class From>
void cast_to_bool(void* dst_, const void* src_, int64_t n) {
  uint8_t* dst = static_cast<uint8_t*>(dst_);
  const From* src = static_cast<const From*>(src_);
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dst[i] = src[i] != From(0);
}
template <int size>
void cast_same(void* dst, const void* src, int64_t n) {
  if (dst != src) __builtin_memcpy(dst, src, static_cast<size_t>(n) * size);
}

// Pairs that move the same bits share a kernel: the sign of an integer target never matters, that of an integer source
// only when it is widened.
template <class To, class From>
constexpr CastFn cast_kernel() {
  if constexpr (!kFloat<From> && !kFloat<To> && sizeof(To) == sizeof(From)) {
    return &cast_same<sizeof(To)>;
  } else if constexpr (!kFloat<From> && !kFloat<To> && sizeof(To) < sizeof(From)) {
    return &cast<simd::UnsignedOf<To>, simd::UnsignedOf<From>>;
  } else if constexpr (!kFloat<To> && (!kFloat<From> || sizeof(To) < 4)) {
    return &cast<simd::UnsignedOf<To>, From>;
  } else {
    return &cast<To, From>;
  }
}
void fill_casts_from_bool(MoveKernels& table) {
  const auto set = [&](DType to, CastFn fn) { table.cast[index(to)][index(DType::Bool)] = fn; };
  set(DType::Bool, &cast_same<1>);
  set(DType::I8, &cast_from_bool<uint8_t>);
  set(DType::I16, &cast_from_bool<uint16_t>);
  set(DType::I32, &cast_from_bool<uint32_t>);
  set(DType::I64, &cast_from_bool<uint64_t>);
  set(DType::U8, &cast_from_bool<uint8_t>);
  set(DType::U16, &cast_from_bool<uint16_t>);
  set(DType::U32, &cast_from_bool<uint32_t>);
  set(DType::U64, &cast_from_bool<uint64_t>);
  set(DType::F32, &cast_from_bool<float>);
  set(DType::F64, &cast_from_bool<double>);
}
template <class From>
void fill_casts(MoveKernels& table, DType from) {
  const auto set = [&](DType to, CastFn fn) { table.cast[index(to)][index(from)] = fn; };
  set(DType::Bool, &cast_to_bool<From>);
  set(DType::I8, cast_kernel<int8_t, From>());
  set(DType::I16, cast_kernel<int16_t, From>());
  set(DType::I32, cast_kernel<int32_t, From>());
  set(DType::I64, cast_kernel<int64_t, From>());
  set(DType::U8, cast_kernel<uint8_t, From>());
  set(DType::U16, cast_kernel<uint16_t, From>());
  set(DType::U32, cast_kernel<uint32_t, From>());
  set(DType::U64, cast_kernel<uint64_t, From>());
  set(DType::F32, cast_kernel<float, From>());
  set(DType::F64, cast_kernel<double, From>());
}

// ---- strided copies
// For some kilobytes the C library's memcpy is a single instruction (rep movsb). Processors exist that take ten times
// as long for it where the target stands a few bytes further in its page than the source (glibc's bug 30994), as in
// x[1:] = y[:-1] of arrays that begin on pages.
void copy_run(char* dst, const char* src, int64_t bytes) {
  constexpr int64_t kLong = 1024, kPage = 4096, kLine = 64, kUnroll = 4;
  using V = Vec<uint64_t>;
  constexpr int64_t kStep = kUnroll * static_cast<int64_t>(sizeof(V));
  const int64_t ahead = (dst - src) & (kPage - 1);
  if (bytes >= kLong && ahead > 0 && ahead < kLine) {
    for (; bytes >= kStep; bytes -= kStep, dst += kStep, src += kStep) {
      V part[kUnroll];
      __builtin_memcpy(part, src, sizeof part);
      __builtin_memcpy(dst, part, sizeof part);
    }
  }
  __builtin_memcpy(dst, src, static_cast<size_t>(bytes));
}

template <class T>
void strided_copy(void* dst_, int64_t dst_step, const void* src_, int64_t src_step, int64_t n) {
  T* dst = static_cast<T*>(dst_);
  const T* src = static_cast<const T*>(src_);
  if (dst_step == 1 && src_step == 1) {
    copy_run(reinterpret_cast<char*>(dst), reinterpret_cast<const char*>(src), n * static_cast<int64_t>(sizeof(T)));
  } else if (dst_step == 1 && src_step == 0) {
    const T value = *src;
    for (int64_t i = 0; i < n; ++i) dst[i] = value;
  } else if (dst_step == 1 && src_step == -1) {
    CR_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) dst[i] = src[-i];
  } else if (dst_step == 1 && src_step == 2) {
    CR_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) dst[i] = src[2 * i];
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * dst_step] = src[i * src_step];
  }
}

// Runs of N elements, known to the compiler.
template <class T, int64_t N>
void copy_short_rows(T* dst, int64_t dst_row, const T* src, int64_t src_row, int64_t src_step, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i, dst += dst_row, src += src_row)
    for (int64_t j = 0; j < N; ++j) dst[j] = src[j * src_step];
}

template <class T>
void copy_rows(void* dst_, int64_t dst_row, int64_t dst_step, const void* src_, int64_t src_row, int64_t src_step,
               int64_t rows, int64_t n) {
  T* dst = static_cast<T*>(dst_);
  const T* src = static_cast<const T*>(src_);
  if (n == 1) return strided_copy<T>(dst, dst_row, src, src_row, rows);
  if (dst_step == 1) {
    switch (n) {
      case 2:
        return copy_short_rows<T, 2>(dst, dst_row, src, src_row, src_step, rows);
      case 3:
        return copy_short_rows<T, 3>(dst, dst_row, src, src_row, src_step, rows);
      case 4:
        return copy_short_rows<T, 4>(dst, dst_row, src, src_row, src_step, rows);
      case 8:
        return copy_short_rows<T, 8>(dst, dst_row, src, src_row, src_step, rows);
      default:
        break;
    }
    if (src_step == 1 && n * static_cast<int64_t>(sizeof(T)) < 128) {
      for (int64_t i = 0; i < rows; ++i, dst += dst_row, src += src_row)
        for (int64_t j = 0; j < n; ++j) dst[j] = src[j];
      return;
    }
  }
  for (int64_t i = 0; i < rows; ++i) strided_copy<T>(dst + i * dst_row, dst_step, src + i * src_row, src_step, n);
}

// ---- transposes
// A tile is read by rows and written by rows; tiles are visited so that the lines they share are still in cache.
template <class T>
constexpr int64_t kTile = 64 / sizeof(T) < 8 ? 8 : (64 / sizeof(T) > 16 ? 16 : 64 / sizeof(T));

template <class T>
CR_INLINE void transpose_tile(T* dst, int64_t dst_row, const T* src, int64_t src_row) {
  T tile[kTile<T>][kTile<T>];
  for (int64_t i = 0; i < kTile<T>; ++i) __builtin_memcpy(tile[i], src + i * src_row, sizeof tile[i]);
  for (int64_t j = 0; j < kTile<T>; ++j) {
    T column[kTile<T>];
    for (int64_t i = 0; i < kTile<T>; ++i) column[i] = tile[i][j];
    __builtin_memcpy(dst + j * dst_row, column, sizeof column);
  }
}

template <class T>
void transpose(void* dst_, int64_t dst_row, const void* src_, int64_t src_row, int64_t rows, int64_t cols) {
  constexpr int64_t tile = kTile<T>, block = 8 * tile;
  T* dst = static_cast<T*>(dst_);
  const T* src = static_cast<const T*>(src_);
  for (int64_t i0 = 0; i0 < rows; i0 += block) {
    const int64_t i_end = i0 + block < rows ? i0 + block : rows;
    for (int64_t j0 = 0; j0 < cols; j0 += tile) {
      const int64_t j_end = j0 + tile < cols ? j0 + tile : cols;
      for (int64_t i = i0; i < i_end; i += tile) {
        if (i + tile <= i_end && j0 + tile <= j_end) {
          transpose_tile(dst + j0 * dst_row + i, dst_row, src + i * src_row + j0, src_row);
        } else {
          for (int64_t j = j0; j < j_end; ++j) {
            for (int64_t k = i; k < i_end && k < i + tile; ++k) dst[j * dst_row + k] = src[k * src_row + j];
          }
        }
      }
    }
  }
}

// ---- rows by index
template <int bytes>
void gather_fixed(char* dst, const char* src, const int64_t* index, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) __builtin_memcpy(dst + i * bytes, src + index[i] * bytes, bytes);
}
void gather_rows(void* dst_, const void* src_, const int64_t* index, int64_t rows, int64_t row_bytes) {
  char* dst = static_cast<char*>(dst_);
  const char* src = static_cast<const char*>(src_);
  switch (row_bytes) {
    case 1:
      return gather_fixed<1>(dst, src, index, rows);
    case 2:
      return gather_fixed<2>(dst, src, index, rows);
    case 4:
      return gather_fixed<4>(dst, src, index, rows);
    case 8:
      return gather_fixed<8>(dst, src, index, rows);
    default:
      for (int64_t i = 0; i < rows; ++i) {
        __builtin_memcpy(dst + i * row_bytes, src + index[i] * row_bytes, static_cast<size_t>(row_bytes));
      }
  }
}

template <class T>
void scatter_add_rows(void* dst_, const void* src_, const int64_t* index, int64_t rows, int64_t cols) {
  T* dst = static_cast<T*>(dst_);
  const T* src = static_cast<const T*>(src_);
  for (int64_t i = 0; i < rows; ++i) {
    T* to = dst + index[i] * cols;
    const T* from = src + i * cols;
    CR_INDEPENDENT
    for (int64_t j = 0; j < cols; ++j) to[j] = static_cast<T>(to[j] + from[j]);
  }
}

// ---- past the caches
void stream(void* dst_, const void* src_, int64_t bytes) {
  namespace instruction = simd::instruction;
  char* dst = static_cast<char*>(dst_);
  const char* src = static_cast<const char*>(src_);
  const int64_t off = static_cast<int64_t>(reinterpret_cast<uintptr_t>(dst) % CR_VECTOR_BYTES);
  const int64_t before = off == 0 ? 0 : CR_VECTOR_BYTES - off, head = before < bytes ? before : bytes;
  __builtin_memcpy(dst, src, static_cast<size_t>(head));
  int64_t at = head;
  for (; at + CR_VECTOR_BYTES <= bytes; at += CR_VECTOR_BYTES) {
    instruction::I64 v;
    __builtin_memcpy(&v, src + at, sizeof v);
    instruction::stream(dst + at, v);
  }
  __builtin_memcpy(dst + at, src + at, static_cast<size_t>(bytes - at));
}
void stream_end() { simd::instruction::stream_end(); }

}  // namespace

void fill_moves(MoveKernels& table) {
  table.stream = simd::instruction::kStreams ? &stream : nullptr;
  table.stream_end = &stream_end;

  fill_casts_from_bool(table);
  fill_casts<int8_t>(table, DType::I8);
  fill_casts<int16_t>(table, DType::I16);
  fill_casts<int32_t>(table, DType::I32);
  fill_casts<int64_t>(table, DType::I64);
  fill_casts<uint8_t>(table, DType::U8);
  fill_casts<uint16_t>(table, DType::U16);
  fill_casts<uint32_t>(table, DType::U32);
  fill_casts<uint64_t>(table, DType::U64);
  fill_casts<float>(table, DType::F32);
  fill_casts<double>(table, DType::F64);

  table.copy[0] = &strided_copy<uint8_t>;
  table.copy[1] = &strided_copy<uint16_t>;
  table.copy[2] = &strided_copy<uint32_t>;
  table.copy[3] = &strided_copy<uint64_t>;
  table.copy_rows[0] = &copy_rows<uint8_t>;
  table.copy_rows[1] = &copy_rows<uint16_t>;
  table.copy_rows[2] = &copy_rows<uint32_t>;
  table.copy_rows[3] = &copy_rows<uint64_t>;
  table.transpose[0] = &transpose<uint8_t>;
  table.transpose[1] = &transpose<uint16_t>;
  table.transpose[2] = &transpose<uint32_t>;
  table.transpose[3] = &transpose<uint64_t>;
  table.gather_rows = &gather_rows;

  // Sums wrap, so signed and unsigned integers share a kernel.
  table.scatter_add_rows[index(DType::I8)] = table.scatter_add_rows[index(DType::U8)] = &scatter_add_rows<uint8_t>;
  table.scatter_add_rows[index(DType::I16)] = table.scatter_add_rows[index(DType::U16)] = &scatter_add_rows<uint16_t>;
  table.scatter_add_rows[index(DType::I32)] = table.scatter_add_rows[index(DType::U32)] = &scatter_add_rows<uint32_t>;
  table.scatter_add_rows[index(DType::I64)] = table.scatter_add_rows[index(DType::U64)] = &scatter_add_rows<uint64_t>;
  table.scatter_add_rows[index(DType::F32)] = &scatter_add_rows<float>;
  table.scatter_add_rows[index(DType::F64)] = &scatter_add_rows<double>;
}

}  // namespace chainrule::CHAINRULE_ISA
