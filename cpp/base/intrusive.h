// Reference counting inside the object: one word, no control block. Counts are atomic; the objects are not.
#pragma once

#include <atomic>
#include <utility>

namespace chainrule {

class RefCounted {
 public:
  void retain() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  // True for the last owner, who must destroy the object. A sole owner needs no atomic subtraction: nobody is left who
  // could change the count.
  bool release() const noexcept {
    return count_.load(std::memory_order_acquire) == 1 || count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  // The first owner's reference to an object that no other thread has seen yet.
  void retain_first() const noexcept { count_.store(1, std::memory_order_relaxed); }
  int use_count() const noexcept { return count_.load(std::memory_order_relaxed); }

 protected:
  RefCounted() = default;
  ~RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

 private:
  mutable std::atomic<int> count_{0};
};

// Owning pointer to a RefCounted; T has a static `destroy(T*)`.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->retain();
  }
  // Of an object just made.
  static Ref first(T* object) {
    object->retain_first();
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ && object_->release()) T::destroy(object_);
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const Ref& other) const { return object_ == other.object_; }
  bool operator!=(const Ref& other) const { return object_ != other.object_; }

 private:
  T* object_ = nullptr;
};

}  // namespace chainrule
