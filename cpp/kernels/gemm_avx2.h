// The inner loop of a tile of 4 to 6 rows by two vectors in assembly, for x86-64 with AVX2 and FMA but 16 registers.
// The sums, a row of B and an element of A fill them; a compiler, free to put a sum elsewhere than its term, moves some
// to the stack and back. A step of 12 multiply-adds takes 6 cycles of both units and here some 21 instructions: little
// more than half of the front end, of which a neighbour on the same core takes the other half.
// Included by kernels/gemm.cpp alone. Invariants: sums run over p in rising order, each step one fused multiply-add, as
// in the loops that kernels/gemm.cpp leaves to the compiler; rows of B are whole vectors (packed ones are padded).
#pragma once

#include "kernels/gemm_vector.h"

namespace chainrule::CHAINRULE_ISA {

// Where the elements of A lie: packed, 6 to the next p; rows apart and columns adjacent; or rows adjacent and columns
// apart. And the rows of B: packed; in place; or in place and packed on the way.
enum class LoopA { packed, rows, columns };
enum class LoopB { packed, in_place, stored };
template <LoopA A>
struct Of {
  static constexpr LoopA value = A;
};

constexpr int kLoopSteps = 4, kLoopTileRows = 6;

// What the assembly reads; its offsets are written out below.
struct LoopSteps {
  int64_t fours;             // times four steps, > 0
  int64_t a_bytes;           // between rows (columns) of A that lie apart
  int64_t b_bytes, b_ahead;  // between rows of B in place, and from one to that which is fetched with it
  void* store;               // where rows of B are packed
};
static_assert(offsetof(LoopSteps, a_bytes) == 8 && offsetof(LoopSteps, b_bytes) == 16 &&
                  offsetof(LoopSteps, b_ahead) == 24 && offsetof(LoopSteps, store) == 32,
              "the offsets of the assembly");

// S: s or d, for float or double. E: bytes of an element. p: a step, 0 to 3. i: a row.
// rcx: a_bytes, rdx: b_bytes, rsi: b_ahead, rdi: store, rax: row 3 of A, r8: fours left.
#define CR_A_packed(E, p, i) #E "*(6*" #p "+" #i ")(%[a])"
#define CR_A_columns(E, p, i) #E "*" #i "(%[a])"
#define CR_A_rows(E, p, i) #E "*" #p CR_ROW_##i
#define CR_ROW_0 "(%[a])"
#define CR_ROW_1 "(%[a],%%rcx)"
#define CR_ROW_2 "(%[a],%%rcx,2)"
#define CR_ROW_3 "(%%rax)"
#define CR_ROW_4 "(%%rax,%%rcx)"
#define CR_ROW_5 "(%%rax,%%rcx,2)"

#define CR_BEGIN_packed
#define CR_BEGIN_columns "mov 8(%[s]), %%rcx\n\t"
#define CR_BEGIN_rows "mov 8(%[s]), %%rcx\n\tlea (%[a],%%rcx,2), %%rax\n\tadd %%rcx, %%rax\n\t"
#define CR_NEXT_packed
#define CR_NEXT_columns "add %%rcx, %[a]\n\t"
#define CR_NEXT_rows
#define CR_END_packed(E) "add $4*6*" #E ", %[a]\n\t"
#define CR_END_columns(E)
#define CR_END_rows(E) "add $4*" #E ", %[a]\n\tadd $4*" #E ", %%rax\n\t"

#define CR_B_packed(p) "vmovups 64*" #p "(%[b]), %%ymm12\n\tvmovups 64*" #p "+32(%[b]), %%ymm13\n\t"
#define CR_B_in_place(p) \
  "prefetcht0 (%[b],%%rsi)\n\tvmovups (%[b]), %%ymm12\n\tvmovups 32(%[b]), %%ymm13\n\tadd %%rdx, %[b]\n\t"
#define CR_B_stored(p) CR_B_in_place(p) "vmovups %%ymm12, 64*" #p "(%%rdi)\n\tvmovups %%ymm13, 64*" #p "+32(%%rdi)\n\t"
#define CR_B_BEGIN_packed
#define CR_B_BEGIN_in_place "mov 16(%[s]), %%rdx\n\tmov 24(%[s]), %%rsi\n\t"
#define CR_B_BEGIN_stored CR_B_BEGIN_in_place "mov 32(%[s]), %%rdi\n\t"
#define CR_B_END_packed "add $4*64, %[b]\n\t"
#define CR_B_END_in_place
#define CR_B_END_stored "add $4*64, %%rdi\n\t"

#define CR_MULTIPLY(S, element, i)           \
  "vbroadcasts" S " " element                \
  ", %%ymm14\n\t"                            \
  "vfmadd231p" S " %%ymm12, %%ymm14, %[c" #i \
  "0]\n\t"                                   \
  "vfmadd231p" S " %%ymm13, %%ymm14, %[c" #i "1]\n\t"
#define CR_MULTIPLY_4(S, E, A, p)      \
  CR_MULTIPLY(S, CR_A_##A(E, p, 0), 0) \
  CR_MULTIPLY(S, CR_A_##A(E, p, 1), 1) CR_MULTIPLY(S, CR_A_##A(E, p, 2), 2) CR_MULTIPLY(S, CR_A_##A(E, p, 3), 3)
#define CR_MULTIPLY_5(S, E, A, p) CR_MULTIPLY_4(S, E, A, p) CR_MULTIPLY(S, CR_A_##A(E, p, 4), 4)
#define CR_MULTIPLY_6(S, E, A, p) CR_MULTIPLY_5(S, E, A, p) CR_MULTIPLY(S, CR_A_##A(E, p, 5), 5)
#define CR_STEP(S, E, H, A, B, p) CR_B_##B(p) CR_MULTIPLY_##H(S, E, A, p) CR_NEXT_##A

#define CR_C_4                                                                                             \
  [c00] "+x"(c[0][0]), [c01] "+x"(c[0][1]), [c10] "+x"(c[1][0]), [c11] "+x"(c[1][1]), [c20] "+x"(c[2][0]), \
      [c21] "+x"(c[2][1]), [c30] "+x"(c[3][0]), [c31] "+x"(c[3][1])
#define CR_C_5 CR_C_4, [c40] "+x"(c[4][0]), [c41] "+x"(c[4][1])
#define CR_C_6 CR_C_5, [c50] "+x"(c[5][0]), [c51] "+x"(c[5][1])
#define CR_LOOP(S, E, H, A, B)                                                                                   \
  asm volatile("mov (%[s]), %%r8\n\t" CR_BEGIN_##A CR_B_BEGIN_##B ".p2align 4\n1:\n\t" CR_STEP(S, E, H, A, B, 0) \
                   CR_STEP(S, E, H, A, B, 1) CR_STEP(S, E, H, A, B, 2) CR_STEP(S, E, H, A, B, 3) CR_END_##A(E)   \
                       CR_B_END_##B "dec %%r8\n\tjnz 1b"                                                         \
               : CR_C_##H, [a] "+r"(a), [b] "+r"(b)                                                              \
               : [s] "r"(&steps)                                                                                 \
               : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "ymm12", "ymm13", "ymm14", "cc", "memory")
#define CR_LOOPS_OF(H, A, B)      \
  if constexpr (sizeof(T) == 4) { \
    CR_LOOP("s", 4, H, A, B);     \
  } else {                        \
    CR_LOOP("d", 8, H, A, B);     \
  }
#define CR_LOOPS(A, B)           \
  if constexpr (H == 6) {        \
    CR_LOOPS_OF(6, A, B)         \
  } else if constexpr (H == 5) { \
    CR_LOOPS_OF(5, A, B)         \
  } else {                       \
    CR_LOOPS_OF(4, A, B)         \
  }

template <class T, int H, int NV>
constexpr bool kHasLoop = H >= 4 && H <= 6 && NV == 2;

// c += A B over four times `fours` steps; a and b go forward with them.
template <class T, int H, LoopA A, LoopB B>
CR_INLINE void run_loop(const T*& a, const T*& b, const LoopSteps& steps, Vector<T> (&c)[H][2]) {
  if constexpr (A == LoopA::packed && B == LoopB::packed) {
    CR_LOOPS(packed, packed)
  } else if constexpr (A == LoopA::packed && B == LoopB::in_place) {
    CR_LOOPS(packed, in_place)
  } else if constexpr (A == LoopA::packed) {
    CR_LOOPS(packed, stored)
  } else if constexpr (A == LoopA::rows && B == LoopB::packed) {
    CR_LOOPS(rows, packed)
  } else if constexpr (A == LoopA::rows && B == LoopB::in_place) {
    CR_LOOPS(rows, in_place)
  } else if constexpr (A == LoopA::rows) {
    CR_LOOPS(rows, stored)
  } else if constexpr (B == LoopB::packed) {
    CR_LOOPS(columns, packed)
  } else if constexpr (B == LoopB::in_place) {
    CR_LOOPS(columns, in_place)
  } else {
    CR_LOOPS(columns, stored)
  }
}

}  // namespace chainrule::CHAINRULE_ISA
