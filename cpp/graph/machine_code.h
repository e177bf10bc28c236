// The few machine instructions that compiled groups (graph/compile.cpp) are made of, written into executable memory:
// arithmetic on vectors of AVX2 or AVX-512, and a loop around it.
// Invariants: memory is writable first and executable afterwards, never both; where the system grants none, or on other
// processors, there is no code and groups run kernel by kernel, with the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace chainrule {

class MachineCode {
 public:
  // place: a table of addresses; bytes: of the whole vectors to work on. Of the vector behind them the lanes that
  // `mask` tells: one bit a lane (AVX-512), or the address of a vector whose lanes' highest bits tell (AVX2); none if
  // 0.
  using Entry = void (*)(char* const* place, std::int64_t bytes, std::uint64_t mask);

  // Null where the system refuses.
  static std::shared_ptr<const MachineCode> load(const std::vector<std::uint8_t>& code);
  MachineCode(void* memory, std::size_t bytes) : memory_(memory), bytes_(bytes) {}
  ~MachineCode();
  MachineCode(const MachineCode&) = delete;
  MachineCode& operator=(const MachineCode&) = delete;
  Entry entry() const { return reinterpret_cast<Entry>(memory_); }

 private:
  void* memory_;
  std::size_t bytes_;
};

// The second bytes of their opcodes.
enum class VectorOp : std::uint8_t {
  sqrt = 0x51,
  logical_and = 0x54,
  logical_xor = 0x57,
  add = 0x58,
  multiply = 0x59,
  subtract = 0x5c,
  minimum = 0x5d,  // the second operand if either is NaN or both are zero
  divide = 0x5e,
  maximum = 0x5f,  // likewise
};
// By the numbers of the instruction; all but `unequal` and `unordered` are false for NaN.
enum class Comparison : std::uint8_t {
  equal = 0,
  unordered = 3,
  unequal = 4,
  less = 0x11,
  less_equal = 0x12,
  greater_equal = 0x1d,
  greater = 0x1e
};

// Writes the code of one MachineCode::Entry: begin(), then for vectors and again for the rest (masked) the same
// instructions between begin_loop(), end_loop() and end().
class VectorAssembler {
 public:
  VectorAssembler(bool avx512, bool doubles) : wide_(avx512), doubles_(doubles) {}

  // Registers 0 .. registers() - 1 hold vectors, of which the arrays' addresses take none.
  int registers() const { return wide_ ? 32 : 15; }
  // Of masks; 0 where vectors' registers serve for them.
  int mask_registers() const { return wide_ ? 6 : 0; }
  int vector_bytes() const { return wide_ ? 64 : 32; }
  static constexpr int kMostArrays = 10;

  void begin();
  // A number in all lanes: that which a place points to, or a constant that lives as long as the code.
  void spread_place(int to, int place);
  void spread_constant(int to, const void* constant);
  // Array number `array` is the one that a place points to; all of them after the numbers.
  void open_array(int array, int place);
  void begin_loop();
  void end_loop();
  void end();

  void load(int to, int array, bool masked);
  void store(int array, int from, bool masked);
  void compute(VectorOp op, int to, int a, int b);  // of one operand: b, and a is 0
  void compare(Comparison which, int mask, int a, int b);
  void select(int to, int mask, int where_true, int where_false);

  const std::vector<std::uint8_t>& code() const { return code_; }

 private:
  struct Operand {
    int number;  // of a vector register, or of the general one with an address
    bool memory, indexed;
  };
  void byte(unsigned value) { code_.push_back(static_cast<std::uint8_t>(value)); }
  void bytes(std::initializer_list<unsigned> values) {
    for (const unsigned value : values) byte(value);
  }
  void number(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) byte(static_cast<unsigned>(value >> (8 * i)) & 0xff);
  }
  // An instruction with the prefix of its vectors: EVEX for AVX-512, VEX for AVX2.
  void vector(unsigned prefix, unsigned map, bool w, unsigned opcode, int reg, int second, Operand rm, int mask = 0,
              bool zeroing = false);
  void address_of_place(int to, int place);
  std::size_t jump(std::initializer_list<unsigned> opcode);
  void land(std::size_t from);

  bool wide_, doubles_;
  std::vector<std::uint8_t> code_;
  std::size_t loop_ = 0, skip_loop_ = 0, skip_rest_ = 0;
};

}  // namespace chainrule
