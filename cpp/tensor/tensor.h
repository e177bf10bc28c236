// Tensor: a strided view of shared storage, with a place for autograd and for the recording of a program.
// Invariants: `data` points at the element of index (0, ..., 0) inside `storage`; strides count elements and may be 0
// (broadcast) or negative; elements are aligned to their size. A placeholder of a recording has no storage and no data:
// only its shape and dtype are known, and `trace` says which recording it belongs to.
#pragma once

#include <cstdint>
#include <utility>

#include "base/dtype.h"
#include "base/intrusive.h"
#include "base/shape.h"

namespace chainrule {

// A block of memory: our own (from runtime/memory.h) or someone else's (`release` gives it back).
struct Storage : RefCounted {
  void* data = nullptr;
  std::size_t bytes = 0;
  void* owner = nullptr;                         // of foreign memory
  void (*release_owner)(void* owner) = nullptr;  // null: the memory is ours
  std::uint32_t version = 0;  // counts in-place writes, so that backward can tell a saved tensor changed
  bool writable = true;
  std::uint64_t maker = 0;  // the id of the recording that was going on in the thread that made it; 0 for none

  static void destroy(Storage* storage);
};

// From now on, memory that this thread makes is stamped with the id of a recording; 0 ends it.
void stamp_new_memory(std::uint64_t recording);

// What autograd keeps beside a tensor (graph/tape.cpp): the step that made it.
struct GradientNode;
void destroy_gradient_node(GradientNode* node);

struct TensorImpl : RefCounted {
  DType dtype = DType::F32;
  Shape shape;
  Strides strides;
  char* data = nullptr;
  Ref<Storage> storage;
  GradientNode* node = nullptr;  // owned (one reference); null where nothing is recorded
  int node_output = 0;
  std::uint64_t trace = 0;  // id of the recording that made this tensor; 0 for a real one
  int slot = -1;            // its number there
  bool read_only = false;   // this array and the views made of it from now on can't be written into

  static void destroy(TensorImpl* impl);
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorImpl* impl) : impl_(Ref<TensorImpl>::first(impl)) {}  // of a head just made

  // Uninitialised, contiguous. Throws std::bad_alloc.
  static Tensor empty(DType dtype, const Shape& shape);
  static Tensor zeros(DType dtype, const Shape& shape);
  // Shape and dtype only.
  static Tensor placeholder(DType dtype, const Shape& shape, std::uint64_t trace, int slot);
  // Memory of somebody else, given back by release_owner(owner).
  static Tensor foreign(DType dtype, const Shape& shape, const Strides& strides, void* data, bool writable, void* owner,
                        void (*release_owner)(void*));
  // A 0-d tensor of the value converted to dtype.
  static Tensor scalar(DType dtype, double value);
  static Tensor scalar(DType dtype, std::int64_t value);
  // Another head on the same memory (or recording slot): no gradient node.
  Tensor view(const Shape& shape, const Strides& strides, std::int64_t offset) const;
  Tensor alias() const { return view(shape(), strides(), 0); }

  explicit operator bool() const { return static_cast<bool>(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  DType dtype() const { return impl_->dtype; }
  const Shape& shape() const { return impl_->shape; }
  const Strides& strides() const { return impl_->strides; }
  int ndim() const { return impl_->shape.ndim; }
  std::int64_t length(int axis) const { return impl_->shape[axis]; }
  std::int64_t size() const { return element_count(impl_->shape); }
  void* data() const { return impl_->data; }
  template <class T>
  T* data_as() const {
    return reinterpret_cast<T*>(impl_->data);
  }
  bool is_placeholder() const { return impl_->trace != 0; }
  // Whether its memory may be written: a placeholder has none that couldn't be.
  bool is_writable() const { return !impl_->read_only && (!impl_->storage || impl_->storage->writable); }
  bool is_contiguous() const;  // row-major, no gaps; axes of length 1 and empty tensors don't count
  bool same(const Tensor& other) const { return impl_ == other.impl_; }
  void bump_version() const {
    if (impl_->storage) ++impl_->storage->version;
  }
  double item_as_double() const;  // of a one-element tensor
  std::int64_t item_as_int() const;

 private:
  Ref<TensorImpl> impl_;
};

// dst = src (converted to dst's dtype, broadcast to dst's shape); any strides; the memory may overlap.
void copy_into(const Tensor& dst, const Tensor& src);
Tensor copied(const Tensor& x);  // a contiguous copy. Real tensors only, as of the next two.
// x itself if contiguous, else a contiguous copy.
Tensor contiguous(const Tensor& x);
// Whether their storages overlap (two storages can: of arrays of NumPy over the same memory).
bool share_memory(const Tensor& a, const Tensor& b);

}  // namespace chainrule
