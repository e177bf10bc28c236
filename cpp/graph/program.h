// A recorded program: instructions with kernels and addresses resolved once, replayed without Python or allocation.
// trace.cpp records it, rewrite.cpp and fuse.cpp join instructions, updates.cpp lets writes happen in place, group.cpp
// runs what was joined, compile.cpp makes parts of that machine code, plan.cpp places temporaries in one arena, run.cpp
// replays it.
// Invariants: effects (in-place ops on captured memory) happen in the order of the recording; running with other inputs
// changes addresses only; inputs are read as they are when a run begins, also those that share memory with what it
// changes; the numbers are those of the eager ops (the same kernels or instructions run, on blocks).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/trace.h"
#include "runtime/cpu.h"
#include "runtime/fork.h"

namespace chainrule {

// ---- rewrite.cpp ---------------------------------------------------------------------------------------------------

// Takes the gradient of relu through that of the max-pooling behind it, where there are fewer elements: the same bits.
// Returns whether there was any.
bool move_relu_behind_pools(std::vector<Instruction>& instructions, std::vector<Slot>& slots,
                            const std::vector<int>& output_slots);
// Lets the optimizer's update of a weight take in what its gradient is made of (joined_update in ops/optim.h).
void join_updates_with_gradients(std::vector<Instruction>& instructions, const std::vector<Slot>& slots,
                                 const std::vector<int>& output_slots);

// ---- fuse.cpp ------------------------------------------------------------------------------------------------------

// One thing to run: an instruction, or a group (`members`, then op is null) of elementwise instructions over one shape.
// A group may have rows: then some members reduce along the last axis, and others take the results on, one value a row.
struct Unit {
  Instruction instruction;           // of a group: its outer inputs and the outputs that others read
  std::vector<Instruction> members;  // of a group, in order
  std::vector<int> results;          // of a group: the members' slots that its outputs take, where they aren't theirs
  std::vector<Instruction> tails;    // of a group: reductions of all elements of what a member makes for them alone;
                                     // their results are the last outputs
  Shape shape;                       // of a group, before any reduction
  bool has_rows = false;
};

// How often each slot is read, by instructions and as an output.
std::vector<int> count_uses(const std::vector<Instruction>& instructions, std::size_t n_slots,
                            const std::vector<int>& output_slots);
// Slots whose memory some instruction writes into: of captured tensors also what shares it (two arrays of NumPy over
// the same memory are two slots).
std::vector<bool> changed_slots(const std::vector<Instruction>& instructions, const std::vector<Slot>& slots);
// Drops what nobody needs, rewrites (which may add slots), gives matrix products their bias and activation, groups
// elementwise runs.
std::vector<Unit> fuse(const std::vector<Instruction>& instructions, std::vector<Slot>& slots,
                       const std::vector<int>& output_slots);

// ---- updates.cpp ---------------------------------------------------------------------------------------------------

// Of a slice_update that replaces every element, what remains is the value.
void drop_whole_updates(std::vector<Instruction>& instructions, const std::vector<Slot>& slots,
                        const std::vector<int>& output_slots);
// Lets slice_updates write into the tensor that they update where nobody needs the old one, and whoever makes the value
// write it there himself. Outputs may then be views of a slot: with runs of elements, or dense where they aren't a
// group's.
void update_in_place(std::vector<Unit>& units, const std::vector<Slot>& slots, const std::vector<int>& output_slots);

// ---- group.cpp -----------------------------------------------------------------------------------------------------

constexpr std::size_t kMaxGroupMembers = 128, kMaxGroupInputs = 96;  // inputs from outside, single numbers included
bool is_elementwise(const Instruction& instruction);                 // or a cast

// Fills the task of a group (block by block through all members, intermediates staying in cache).
void lower_group(const Unit& unit, Task& task);

// ---- plan.cpp ------------------------------------------------------------------------------------------------------

// Offsets of the temporaries in one arena; -1 for slots that don't live there. Returns the arena's bytes.
std::int64_t plan_memory(const std::vector<Unit>& units, const std::vector<Slot>& slots,
                         const std::vector<int>& output_slots, std::vector<std::int64_t>& offsets);

// ---- run.cpp -------------------------------------------------------------------------------------------------------

class Program {
 public:
  // Takes the recording over. `outputs` are what the function returned; a traced function may return anything it met.
  Program(Trace& trace, std::vector<Tensor> outputs);

  int n_inputs() const { return static_cast<int>(input_specs_.size()); }
  const std::vector<Output>& input_specs() const { return input_specs_; }
  const std::vector<Output>& output_specs() const { return output_specs_; }
  int n_steps() const { return static_cast<int>(steps_.size()); }
  std::int64_t arena_bytes() const { return arena_bytes_; }
  // True if a step is large enough for several threads.
  bool parallel() const { return parallel_; }
  std::string describe() const;
  // From now on run() takes subnormal numbers as zero (runtime/float_mode.h).
  void flush_subnormals() { flushes_ = true; }

  // inputs: one per spec, of that dtype and shape, contiguous. Results are fresh tensors.
  std::vector<Tensor> run(const Tensor* inputs);
  // The parts of run(), for loops that own their inputs: set addresses, then run without outputs. The caller holds
  // mutex(), and gives no memory that changes().
  void bind_input(int i, const void* data);
  void run_steps();
  bool changes(const Tensor& x) const;  // whether a run writes into memory of x's storage
  ForkMutex& mutex() { return mutex_; }

 private:
  void run_steps_measured();

  struct Step {
    Task task;
    std::size_t first_ptr;
  };
  struct Patch {
    std::size_t ptr;
    std::int64_t offset;
  };

  std::vector<Output> input_specs_, output_specs_;
  std::vector<Slot> slots_;      // keeps captured memory alive
  std::vector<Tensor> changed_;  // captured tensors that it writes into
  std::vector<Unit> units_;      // one per step, for describe() and measurements
  std::vector<Step> steps_;
  std::vector<void*> ptr_;
  std::vector<std::vector<Patch>> input_patches_, output_patches_;
  Tensor arena_;
  std::int64_t arena_bytes_ = 0;
  bool parallel_ = false;
  bool flushes_ = false;
  const char* isa_ = kernels().isa;  // of the kernels that the tasks refer to
  ForkMutex mutex_;
};

// A head with an operand's shape, for lowering; it has no memory.
Tensor head_of(const SlotView& operand);
bool is_whole(const SlotView& operand);  // contiguous from the start of its slot
inline bool same_operand(const SlotView& a, const SlotView& b) {
  return a.slot == b.slot && a.offset == b.offset && a.dtype == b.dtype && a.shape == b.shape && a.strides == b.strides;
}

}  // namespace chainrule
