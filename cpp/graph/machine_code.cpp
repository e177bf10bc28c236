#include "graph/machine_code.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace chainrule {

namespace {

// General registers by their numbers. rax counts bytes, rdi is the table of places, rsi the end, rdx the mask.
constexpr int kCount = 0, kEnd = 6, kMask = 2, kPlaces = 7, kScratch = 1;
// Addresses of arrays; rbp and r13 can't be the base of an address without a displacement, and the table goes last.
constexpr int kArrays[VectorAssembler::kMostArrays] = {1, 8, 9, 10, 11, 3, 12, 14, 15, kPlaces};
constexpr unsigned kNoPrefix = 0, kPrefix66 = 1, kMap0f = 1, kMap0f38 = 2, kMap0f3a = 3;
// Of the rest: k1 of AVX-512, whose others are free from k2 on, or a vector of AVX2.
constexpr int kRestMask = 1, kFirstMask = 2, kMaskVector = 15;

}  // namespace

std::shared_ptr<const MachineCode> MachineCode::load(const std::vector<std::uint8_t>& code) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t bytes = (code.size() + page - 1) / page * page;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  std::memcpy(memory, code.data(), code.size());
  if (mprotect(memory, bytes, PROT_READ | PROT_EXEC) != 0) {
    munmap(memory, bytes);
    return nullptr;
  }
  return std::make_shared<const MachineCode>(memory, bytes);
}

MachineCode::~MachineCode() { munmap(memory_, bytes_); }

void VectorAssembler::vector(unsigned prefix, unsigned map, bool w, unsigned opcode, int reg, int second, Operand rm,
                             int mask, bool zeroing) {
  const auto clear = [](int value, int bit) { return ~static_cast<unsigned>(value) >> bit & 1u; };
  const unsigned not_second = ~static_cast<unsigned>(second);
  const unsigned b = clear(rm.number, 3), x = rm.memory ? 1u : clear(rm.number, 4);
  if (wide_) {
    bytes({0x62, clear(reg, 3) << 7 | x << 6 | b << 5 | clear(reg, 4) << 4 | map,
           (w ? 0x80u : 0u) | (not_second & 15) << 3 | 4u | prefix,
           (zeroing ? 0x80u : 0u) | 0x40u | (not_second >> 4 & 1) << 3 | static_cast<unsigned>(mask)});
  } else {
    bytes({0xc4, clear(reg, 3) << 7 | 0x40u | b << 5 | map, (not_second & 15) << 3 | 4u | prefix});
  }
  byte(opcode);
  const unsigned field = static_cast<unsigned>(reg & 7) << 3, low = static_cast<unsigned>(rm.number & 7);
  if (!rm.memory) {
    byte(0xc0 | field | low);
  } else {  // base, and rax or no index
    bytes({field | 4, (rm.indexed ? static_cast<unsigned>(kCount) : 4u) << 3 | low});
  }
}

// mov to, [rdi + 8 place]
void VectorAssembler::address_of_place(int to, int place) {
  bytes({0x48u | (to >> 3 ? 4u : 0u), 0x8b, 0x80u | static_cast<unsigned>(to & 7) << 3 | kPlaces});
  number(static_cast<std::uint64_t>(place) * 8, 4);
}

void VectorAssembler::begin() {
  bytes({0x53, 0x41, 0x54, 0x41, 0x56, 0x41, 0x57});  // push rbx, r12, r14, r15
  if (wide_) {
    bytes({0xc5, 0xf8, 0x92, 0xca});  // kmovw k1, edx
    return;
  }
  // The rest's mask is read only where there is one.
  bytes({0x48, 0x85, 0xd2});  // test rdx, rdx
  const std::size_t none = jump({0x0f, 0x84});
  vector(kNoPrefix, kMap0f, false, 0x10, kMaskVector, 0, {kMask, true, false});
  land(none);
}

void VectorAssembler::spread_place(int to, int place) {
  address_of_place(kScratch, place);
  vector(kPrefix66, kMap0f38, doubles_, doubles_ ? 0x19 : 0x18, to, 0, {kScratch, true, false});
}

void VectorAssembler::spread_constant(int to, const void* constant) {
  bytes({0x48, 0xb8u | kScratch});  // mov rcx, number
  number(reinterpret_cast<std::uintptr_t>(constant), 8);
  vector(kPrefix66, kMap0f38, doubles_, doubles_ ? 0x19 : 0x18, to, 0, {kScratch, true, false});
}

void VectorAssembler::open_array(int array, int place) { address_of_place(kArrays[array], place); }

void VectorAssembler::begin_loop() {
  bytes({0x31, 0xc0, 0x48, 0x39, 0xf0});  // xor eax, eax; cmp rax, rsi
  skip_loop_ = jump({0x0f, 0x83});        // jae
  loop_ = code_.size();
}

void VectorAssembler::end_loop() {
  bytes({0x48, 0x83, 0xc0, static_cast<unsigned>(vector_bytes())});  // add rax, bytes of a vector
  bytes({0x48, 0x39, 0xf0, 0x0f, 0x82});                             // cmp rax, rsi; jb
  number(static_cast<std::uint64_t>(loop_) - static_cast<std::uint64_t>(code_.size() + 4), 4);
  land(skip_loop_);
  bytes({0x48, 0x85, 0xd2});        // test rdx, rdx
  skip_rest_ = jump({0x0f, 0x84});  // jz
}

void VectorAssembler::end() {
  land(skip_rest_);
  bytes({0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5c, 0x5b});  // pop
  bytes({0xc5, 0xf8, 0x77, 0xc3});                    // vzeroupper; ret
}

std::size_t VectorAssembler::jump(std::initializer_list<unsigned> opcode) {
  bytes(opcode);
  number(0, 4);
  return code_.size();
}

void VectorAssembler::land(std::size_t from) {
  const std::size_t distance = code_.size() - from;
  for (std::size_t i = 0; i < 4; ++i) code_[from - 4 + i] = static_cast<std::uint8_t>(distance >> (8 * i));
}

void VectorAssembler::load(int to, int array, bool masked) {
  const Operand from{kArrays[array], true, true};
  if (masked && !wide_) {
    vector(kPrefix66, kMap0f38, false, doubles_ ? 0x2d : 0x2c, to, kMaskVector, from);  // vmaskmov
  } else {
    vector(doubles_ ? kPrefix66 : kNoPrefix, kMap0f, doubles_, 0x10, to, 0, from, masked ? kRestMask : 0,
           masked);  // vmovu
  }
}

void VectorAssembler::store(int array, int from, bool masked) {
  const Operand to{kArrays[array], true, true};
  if (masked && !wide_) {
    vector(kPrefix66, kMap0f38, false, doubles_ ? 0x2f : 0x2e, from, kMaskVector, to);
  } else {
    vector(doubles_ ? kPrefix66 : kNoPrefix, kMap0f, doubles_, 0x11, from, 0, to, masked ? kRestMask : 0);
  }
}

void VectorAssembler::compute(VectorOp op, int to, int a, int b) {
  vector(doubles_ ? kPrefix66 : kNoPrefix, kMap0f, doubles_, static_cast<unsigned>(op), to, a, {b, false, false});
}

void VectorAssembler::compare(Comparison which, int mask, int a, int b) {
  vector(doubles_ ? kPrefix66 : kNoPrefix, kMap0f, doubles_, 0xc2, wide_ ? kFirstMask + mask : mask, a,
         {b, false, false});
  byte(static_cast<unsigned>(which));
}

void VectorAssembler::select(int to, int mask, int where_true, int where_false) {
  const Operand from{where_true, false, false};
  if (wide_) {
    vector(kPrefix66, kMap0f38, doubles_, 0x65, to, where_false, from, kFirstMask + mask);  // vblendm
  } else {
    vector(kPrefix66, kMap0f3a, false, doubles_ ? 0x4b : 0x4a, to, where_false, from);  // vblendv
    byte(static_cast<unsigned>(mask) << 4);
  }
}

}  // namespace chainrule
