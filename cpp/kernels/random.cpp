// Random numbers from Philox blocks (base/philox.h). Which bits make which element:
//   word i      32 bits: word i % 4 of block i / 4
//   bits i      64 bits: word 2i in the low half, word 2i + 1 in the high half
//   float32     element i is made of word i:  uniform = (word >> 8) * 2^-24
//   float64     element i is made of bits i:  uniform = (bits >> 11) * 2^-53
//   normal      the quantile of p = (w + 1/2) / 2^b, w being the b = 32 bits of word i, or the upper 53 bits of bits i
//   dropout     keeps element i where uniform i >= rate
#include "kernels/parts.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;
using Words = Vec<uint64_t>;

// ---- bits ----------------------------------------------------------------------------------------------------------

// The products of the low halves of the lanes: one instruction, which GCC has to be told (Clang sees it).
CR_INLINE Words multiply_low_halves(Words a, Words b) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  using Halves = Vec<int32_t>::Native;
#if defined(__AVX512F__)
  typedef long long Products __attribute__((vector_size(64)));
  return Words((Words::Native)__builtin_ia32_pmuludq512_mask((Halves)a.v, (Halves)b.v, Products{}, 0xff));
#elif defined(__AVX2__)
  return Words((Words::Native)__builtin_ia32_pmuludq256((Halves)a.v, (Halves)b.v));
#else
  return Words((Words::Native)__builtin_ia32_pmuludq128((Halves)a.v, (Halves)b.v));
#endif
#else
  const Words low(0xFFFFFFFFu);
  return (a & low) * (b & low);
#endif
}

// a[0], b[0], a[1], b[1], ...
CR_INLINE void interleave(uint64_t* out, Words a, Words b) {
  using Native = Words::Native;
  const Native x = a.v, y = b.v;
#if defined(__AVX512F__)
  const Native low = __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
  const Native high = __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
#elif defined(__AVX2__)
  const Native low = __builtin_shufflevector(x, y, 0, 4, 1, 5), high = __builtin_shufflevector(x, y, 2, 6, 3, 7);
#else
  const Native low = __builtin_shufflevector(x, y, 0, 2), high = __builtin_shufflevector(x, y, 1, 3);
#endif
  Words(low).store(out);
  Words(high).store(out + Words::kLanes);
}

// Blocks [block, block + blocks), rounded up to whole vectors: two elements of `bits` each. base/philox.h in the lanes
// of vectors: the words c0 .. c3 sit in the low halves, what is in the high halves of c0 .. c3 is never looked at.
CR_INLINE void generate(uint64_t* out, uint64_t seed, uint64_t counter, uint64_t block, int64_t blocks) {
  const Words multiplier0(0xD2511F53u), multiplier1(0xCD9E8D57u), low(0xFFFFFFFFu);
  for (int64_t i = 0; i < blocks; i += Words::kLanes) {
    const Words index = Words(block + static_cast<uint64_t>(i)) + Words::lane_numbers();
    Words c0 = index, c1 = index >> 32, c2(counter & 0xFFFFFFFFu), c3(counter >> 32);
    uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const Words product0 = multiply_low_halves(c0, multiplier0), product1 = multiply_low_halves(c2, multiplier1);
      c0 = (product1 >> 32) ^ c1 ^ Words(key0);
      c2 = (product0 >> 32) ^ c3 ^ Words(key1);
      c1 = product1;
      c3 = product0;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    interleave(out + 2 * i, (c0 & low) | (c1 << 32), (c2 & low) | (c3 << 32));
  }
}

// Calls body(i, words, count) for pieces of a stretch of elements of T: elements [first + i, first + i + count), made
// of the integers at `words`, which may be read as whole vectors.
template <class T, class Body>
CR_INLINE void each_piece(uint64_t seed, uint64_t counter, int64_t first, int64_t n, Body body) {
  using Word = simd::UnsignedOf<T>;
  constexpr int64_t kPerBlock = 16 / sizeof(T), kBlocks = 64;
  alignas(64) uint64_t buffer[2 * (kBlocks + Words::kLanes) + Words::kLanes];
  for (int64_t i = 0; i < n;) {
    const int64_t skipped = (first + i) % kPerBlock, room = kBlocks * kPerBlock - skipped;
    const int64_t count = n - i < room ? n - i : room;
    generate(buffer, seed, counter, static_cast<uint64_t>((first + i) / kPerBlock),
             (skipped + count + kPerBlock - 1) / kPerBlock);
    body(i, reinterpret_cast<const Word*>(buffer) + skipped, count);
    i += count;
  }
}

// The same by vectors: body(i, bits) gives the elements of the vector at i, which are then stored.
template <class T, class Body>
CR_INLINE void each_vector(T* out, uint64_t seed, uint64_t counter, int64_t first, int64_t n, Body body) {
  using Word = simd::UnsignedOf<T>;
  constexpr int64_t kLanes = Vec<T>::kLanes;
  each_piece<T>(seed, counter, first, n, [&](int64_t begin, const Word* words, int64_t count) {
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) body(begin + i, kLanes, Vec<Word>::load(words + i)).store(out + begin + i);
    if (i < count) body(begin + i, count - i, Vec<Word>::load(words + i)).store(out + begin + i, count - i);
  });
}

void bits(uint64_t* out, uint64_t seed, uint64_t counter, int64_t first, int64_t n) {
  each_vector<double>(reinterpret_cast<double*>(out), seed, counter, first, n,
                      [](int64_t, int64_t, Words words) { return simd::bits_as<double>(words); });
}

// ---- uniform -------------------------------------------------------------------------------------------------------

CR_INLINE Vec<float> uniform_of(Vec<uint32_t> word) {
  return simd::convert<float>(simd::bits_as<int32_t>(word >> 8)) * 0x1p-24f;
}

// An integer below 2^52 as a double: put into the fraction of 2^52.
CR_INLINE Vec<double> to_double(Words a) { return simd::bits_as<double>(a | Words(0x4330000000000000u)) - 0x1p52; }

// hi * 2^32 + lo scaled by 2^-53, without an instruction that few processors have: 32 and 21 bits, exact in every step.
CR_INLINE Vec<double> uniform_of(Words bits) {
  return to_double(bits >> 32) * 0x1p-32 + to_double((bits >> 11) & Words(0x1FFFFF)) * 0x1p-53;
}

template <class T>
void uniform(void* out, uint64_t seed, uint64_t counter, int64_t first, int64_t n) {
  using Word = Vec<simd::UnsignedOf<T>>;
  each_vector<T>(static_cast<T*>(out), seed, counter, first, n,
                 [](int64_t, int64_t, Word word) { return uniform_of(word); });
}

template <class T>
void dropout(void* out, const void* x_data, double rate, double scale, uint64_t seed, uint64_t counter, int64_t first,
             int64_t n) {
  using Word = Vec<simd::UnsignedOf<T>>;
  const T* x = static_cast<const T*>(x_data);
  const Vec<T> threshold(static_cast<T>(rate)), factor(static_cast<T>(scale)), zero(T(0));
  each_vector<T>(static_cast<T*>(out), seed, counter, first, n, [=](int64_t i, int64_t count, Word word) {
    const Vec<T> value = count == Vec<T>::kLanes ? Vec<T>::load(x + i) : Vec<T>::load(x + i, count);
    return where(uniform_of(word) >= threshold, value * factor, zero);
  });
}

// ---- normal --------------------------------------------------------------------------------------------------------
// The quantile, by symmetry of the lower tail's p <= 1/2 alone. With t = 1 - 2p it is -t * C(0.7225 - t^2) in the
// middle, |t| <= 0.85, and -T(sqrt(-log p) - 1.6) outside. C and T are rational functions fitted (weighted least
// squares in 50 digits, weights shifted to where the relative error was greatest) over all p the generator can give:
// relative errors of 1e-7 and 3e-16. In these arguments all coefficients are positive, so nothing cancels.

template <class T>
struct QuantileFit;
template <>
struct QuantileFit<float> {
  static constexpr float middle_over[] = {1.693566355f, 6.303283691f, 4.975933871f, 0.4614869734f};
  static constexpr float middle_under[] = {1.0f, 4.473201504f, 4.920789934f, 1.049224449f};
  static constexpr float tail_over[] = {1.423437258f, 2.762351917f, 1.315667452f, 0.1725412669f};
  static constexpr float tail_under[] = {1.0f, 0.7408904024f, 0.1218307665f};
};
template <>
struct QuantileFit<double> {
  static constexpr double middle_over[] = {1.6935664363981833,  16.6418222258217315,  61.6050663079992558,
                                           107.258466234244573, 89.6665072360543655,  32.8322656185034764,
                                           4.07889382508631251, 0.0765246515832929983};
  static constexpr double middle_under[] = {1.0,
                                            10.5778093651643417,
                                            42.9445724130472208,
                                            84.2695260962654026,
                                            82.8452854731082642,
                                            38.3733559890228812,
                                            7.01080096115645229,
                                            0.318822337711034096};
  static constexpr double tail_over[] = {1.42343711074968393,   4.80015790107920611,   6.29071197819480477,
                                         4.228006382074145,     1.5688428280836314,    0.314926870482648919,
                                         0.0304949408048234712, 0.00103402644071239963};
  static constexpr double tail_under[] = {1.0,
                                          2.17249444208374712,
                                          1.89941929206728396,
                                          0.840074940279954459,
                                          0.191999700042240595,
                                          0.0204019086584733985,
                                          0.000731059723050423423,
                                          1.09386359581698344e-9};
};

template <class T, int count>
CR_INLINE Vec<T> polynomial(Vec<T> x, const T (&coefficients)[count]) {
  Vec<T> sum(coefficients[count - 1]);
  for (int i = count - 2; i >= 0; --i) sum = fma(sum, x, Vec<T>(coefficients[i]));
  return sum;
}

// p and t in halves of a unit of the last place: both are formed from the whole number, so both are exact in the tails.
struct Lower {
  template <class T>
  struct Of {
    Vec<T> p, t;
  };
  static CR_INLINE Of<float> of(Vec<uint32_t> word) {
    const Vec<int32_t> w = simd::bits_as<int32_t>(word), mirrored = w ^ (w >> 31);
    return {(simd::convert<float>(mirrored) + 0.5f) * 0x1p-32f,
            (simd::convert<float>(mirrored ^ Vec<int32_t>(0x7FFFFFFF)) + 0.5f) * 0x1p-31f};
  }
  static CR_INLINE Of<double> of(Words bits) {
    const Vec<int64_t> w = simd::bits_as<int64_t>(bits);
    const Words mirrored = simd::bits_as<uint64_t>(w ^ (w >> 63)) >> 11;
    return {(to_double(mirrored) + 0.5) * 0x1p-53, (to_double(mirrored ^ Words(0xFFFFFFFFFFFFFu)) + 0.5) * 0x1p-52};
  }
};

template <class T>
void normal(void* out, uint64_t seed, uint64_t counter, int64_t first, int64_t n) {
  using Word = Vec<simd::UnsignedOf<T>>;
  using Fit = QuantileFit<T>;
  each_vector<T>(static_cast<T*>(out), seed, counter, first, n, [](int64_t, int64_t, Word word) {
    const auto lower = Lower::of(word);
    const Vec<T> t = lower.t, x = T(0.7225) - t * t, r = sqrt(-log(lower.p)) - T(1.6);
    const auto middle = t <= T(0.85);
    const Vec<T> over = where(middle, t * polynomial(x, Fit::middle_over), polynomial(r, Fit::tail_over));
    const Vec<T> under = where(middle, polynomial(x, Fit::middle_under), polynomial(r, Fit::tail_under));
    return flip_sign(over / under, simd::bits_as<T>(~word));  // the words of the lower half have the upper bit clear
  });
}

}  // namespace

void fill_random(RandomKernels& table) {
  table.bits = bits;
  table.uniform[0] = uniform<float>;
  table.uniform[1] = uniform<double>;
  table.normal[0] = normal<float>;
  table.normal[1] = normal<double>;
  table.dropout[0] = dropout<float>;
  table.dropout[1] = dropout<double>;
}

}  // namespace chainrule::CHAINRULE_ISA
