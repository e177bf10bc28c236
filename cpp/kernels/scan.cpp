// Running sums and products along a strided run: one element after the other in the accumulator type, as NumPy does, so
// the results are NumPy's to the bit.
#include "kernels/parts.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

struct Add {
  template <class A>
  static A apply(A a, A b) {
    return a + b;
  }
};
struct Multiply {
  template <class A>
  static A apply(A a, A b) {
    return a * b;
  }
};

template <class A>
struct Keep {
  template <class T>
  static A read(T x) {
    return static_cast<A>(x);
  }
};
struct Truth {
  static uint64_t read(uint8_t x) { return x != 0; }
};

// Integers run in uint64_t, where overflow wraps; the bits are those of the signed result.
template <class Op, class T, class A, class Read>
void scan(void* out_, int64_t out_step, const void* x_, int64_t x_step, int64_t n) {
  A* out = static_cast<A*>(out_);
  const T* x = static_cast<const T*>(x_);
  if (n <= 0) return;
  A running = Read::read(x[0]);
  out[0] = running;
  for (int64_t i = 1; i < n; ++i) {
    running = Op::apply(running, Read::read(x[i * x_step]));
    out[i * out_step] = running;
  }
}

// Any byte but 0 is true. As a rule there are none but 0 and 1, and to see that costs less than to make them so.
template <class Op>
void scan_truth(void* out, int64_t out_step, const void* x_, int64_t x_step, int64_t n) {
  const uint8_t* x = static_cast<const uint8_t*>(x_);
  uint8_t bits = 0;
  if (x_step == 1)
    for (int64_t i = 0; i < n; ++i) bits |= x[i];
  const bool plain = x_step == 1 && bits <= 1;
  (plain ? &scan<Op, uint8_t, uint64_t, Keep<uint64_t>> : &scan<Op, uint8_t, uint64_t, Truth>)(out, out_step, x, x_step,
                                                                                               n);
}

template <class T, class A>
void fill(ReduceKernels& table, DType t) {
  table.cumsum[index(t)] = &scan<Add, T, A, Keep<A>>;
  table.cumprod[index(t)] = &scan<Multiply, T, A, Keep<A>>;
}

}  // namespace

void fill_scans(ReduceKernels& table) {
  table.cumsum[index(DType::Bool)] = &scan_truth<Add>;
  table.cumprod[index(DType::Bool)] = &scan_truth<Multiply>;
  fill<int8_t, uint64_t>(table, DType::I8);
  fill<int16_t, uint64_t>(table, DType::I16);
  fill<int32_t, uint64_t>(table, DType::I32);
  fill<int64_t, uint64_t>(table, DType::I64);
  fill<uint8_t, uint64_t>(table, DType::U8);
  fill<uint16_t, uint64_t>(table, DType::U16);
  fill<uint32_t, uint64_t>(table, DType::U32);
  fill<uint64_t, uint64_t>(table, DType::U64);
  fill<float, float>(table, DType::F32);
  fill<double, double>(table, DType::F64);
}

}  // namespace chainrule::CHAINRULE_ISA
