#include "tensor/tensor.h"

#include <cstring>
#include <limits>
#include <new>
#include <vector>

#include "base/half.h"
#include "runtime/cpu.h"
#include "runtime/memory.h"
#include "runtime/threads.h"
#include "tensor/iterate.h"

namespace chainrule {

namespace {

// Heads are made and dropped on every eager call; a short list per thread keeps them out of malloc.
class HeadCache {
 public:
  ~HeadCache() {
    alive_ = false;
    while (count_ > 0) ::operator delete(heads_[--count_]);
  }
  void* take(std::size_t bytes) {
    if (count_ > 0) return heads_[--count_];
    return ::operator new(bytes);
  }
  void give(void* head) noexcept {
    if (alive_ && count_ < kCapacity) {
      heads_[count_++] = head;
    } else {
      ::operator delete(head);
    }
  }

 private:
  static constexpr int kCapacity = 64;
  void* heads_[kCapacity];
  int count_ = 0;
  bool alive_ = true;
};

struct HeadCaches {
  HeadCache storages, tensors;
};

template <class T>
HeadCache& head_cache() {
  thread_local HeadCaches caches;
  if constexpr (std::is_same_v<T, Storage>) return caches.storages;
  return caches.tensors;
}

template <class T>
T* new_head() {
  return new (head_cache<T>().take(sizeof(T))) T;
}

template <class T>
void delete_head(T* head) {
  head->~T();
  head_cache<T>().give(head);
}

std::atomic<int> stamping{0};  // threads that stamp: almost always none, and then no thread looks further
thread_local std::uint64_t stamp = 0;

std::size_t byte_count(DType dtype, const Shape& shape) {
  std::size_t bytes = itemsize(dtype);
  for (std::int64_t length : shape) {
    if (length < 0) throw ShapeError(message("negative dimensions are not allowed: shape ", to_string(shape)));
    if (length > 0 && bytes > static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max()) / length)
      throw std::bad_alloc();
    bytes *= static_cast<std::size_t>(length);
  }
  return bytes;
}

}  // namespace

void stamp_new_memory(std::uint64_t recording) {
  stamping.fetch_add((recording != 0) - (stamp != 0), std::memory_order_relaxed);
  stamp = recording;
}

void Storage::destroy(Storage* storage) {
  if (storage->release_owner) {
    storage->release_owner(storage->owner);
  } else {
    deallocate(storage->data, storage->bytes);
  }
  delete_head(storage);
}

void TensorImpl::destroy(TensorImpl* impl) {
  if (impl->node) destroy_gradient_node(impl->node);
  delete_head(impl);
}

Tensor Tensor::empty(DType dtype, const Shape& shape) {
  const std::size_t bytes = byte_count(dtype, shape);
  void* data = allocate(bytes);
  Ref<Storage> storage = Ref<Storage>::first(new_head<Storage>());
  storage->data = data;
  storage->bytes = bytes;
  if (stamping.load(std::memory_order_relaxed) != 0) storage->maker = stamp;
  TensorImpl* impl = new_head<TensorImpl>();
  impl->dtype = dtype;
  impl->shape = shape;
  impl->strides = contiguous_strides(shape);
  impl->data = static_cast<char*>(data);
  impl->storage = std::move(storage);
  return Tensor(impl);
}

Tensor Tensor::zeros(DType dtype, const Shape& shape) {
  Tensor result = empty(dtype, shape);
  std::memset(result.data(), 0, result.impl()->storage->bytes);
  return result;
}

Tensor Tensor::placeholder(DType dtype, const Shape& shape, std::uint64_t trace, int slot) {
  TensorImpl* impl = new_head<TensorImpl>();
  impl->dtype = dtype;
  impl->shape = shape;
  impl->strides = contiguous_strides(shape);
  impl->trace = trace;
  impl->slot = slot;
  return Tensor(impl);
}

Tensor Tensor::foreign(DType dtype, const Shape& shape, const Strides& strides, void* data, bool writable, void* owner,
                       void (*release_owner)(void*)) {
  Ref<Storage> storage = Ref<Storage>::first(new_head<Storage>());
  storage->data = data;
  storage->bytes = byte_count(dtype, shape);
  storage->owner = owner;
  storage->release_owner = release_owner;
  storage->writable = writable;
  TensorImpl* impl = new_head<TensorImpl>();
  impl->dtype = dtype;
  impl->shape = shape;
  impl->strides = strides;
  impl->data = static_cast<char*>(data);
  impl->storage = std::move(storage);
  return Tensor(impl);
}

namespace {

template <class Value>
void store(void* data, DType dtype, Value value) {
  switch (dtype) {
    case DType::Bool:
      *static_cast<std::uint8_t*>(data) = value != 0;
      break;
    case DType::I8:
      *static_cast<std::int8_t*>(data) = static_cast<std::int8_t>(value);
      break;
    case DType::I16:
      *static_cast<std::int16_t*>(data) = static_cast<std::int16_t>(value);
      break;
    case DType::I32:
      *static_cast<std::int32_t*>(data) = static_cast<std::int32_t>(value);
      break;
    case DType::I64:
      *static_cast<std::int64_t*>(data) = static_cast<std::int64_t>(value);
      break;
    case DType::U8:
      *static_cast<std::uint8_t*>(data) = static_cast<std::uint8_t>(value);
      break;
    case DType::U16:
      *static_cast<std::uint16_t*>(data) = static_cast<std::uint16_t>(value);
      break;
    case DType::U32:
      *static_cast<std::uint32_t*>(data) = static_cast<std::uint32_t>(value);
      break;
    case DType::U64:
      *static_cast<std::uint64_t*>(data) = static_cast<std::uint64_t>(value);
      break;
    case DType::F16:
      *static_cast<std::uint16_t*>(data) = float_to_float16(double_to_odd_float(static_cast<double>(value)));
      break;
    case DType::BF16:
      *static_cast<std::uint16_t*>(data) = float_to_bfloat16(double_to_odd_float(static_cast<double>(value)));
      break;
    case DType::F32:
      *static_cast<float*>(data) = static_cast<float>(value);
      break;
    case DType::F64:
      *static_cast<double*>(data) = static_cast<double>(value);
      break;
  }
}

template <class Value>
Value load(const void* data, DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return static_cast<Value>(*static_cast<const std::uint8_t*>(data) != 0);
    case DType::I8:
      return static_cast<Value>(*static_cast<const std::int8_t*>(data));
    case DType::I16:
      return static_cast<Value>(*static_cast<const std::int16_t*>(data));
    case DType::I32:
      return static_cast<Value>(*static_cast<const std::int32_t*>(data));
    case DType::I64:
      return static_cast<Value>(*static_cast<const std::int64_t*>(data));
    case DType::U8:
      return static_cast<Value>(*static_cast<const std::uint8_t*>(data));
    case DType::U16:
      return static_cast<Value>(*static_cast<const std::uint16_t*>(data));
    case DType::U32:
      return static_cast<Value>(*static_cast<const std::uint32_t*>(data));
    case DType::U64:
      return static_cast<Value>(*static_cast<const std::uint64_t*>(data));
    case DType::F16:
      return static_cast<Value>(float16_to_float(*static_cast<const std::uint16_t*>(data)));
    case DType::BF16:
      return static_cast<Value>(bfloat16_to_float(*static_cast<const std::uint16_t*>(data)));
    case DType::F32:
      return static_cast<Value>(*static_cast<const float*>(data));
    case DType::F64:
      return static_cast<Value>(*static_cast<const double*>(data));
  }
  return Value();
}

}  // namespace

Tensor Tensor::scalar(DType dtype, double value) {
  Tensor result = empty(dtype, Shape());
  store(result.data(), dtype, value);
  return result;
}

Tensor Tensor::scalar(DType dtype, std::int64_t value) {
  Tensor result = empty(dtype, Shape());
  store(result.data(), dtype, value);
  return result;
}

Tensor Tensor::view(const Shape& shape, const Strides& strides, std::int64_t offset) const {
  TensorImpl* impl = new_head<TensorImpl>();
  impl->dtype = dtype();
  impl->shape = shape;
  impl->strides = strides;
  // A placeholder has no memory; its `data` counts bytes from the start of its slot.
  impl->data =
      reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(impl_->data) +
                              static_cast<std::uintptr_t>(offset * static_cast<std::int64_t>(itemsize(dtype()))));
  impl->storage = impl_->storage;
  impl->read_only = impl_->read_only;
  impl->trace = impl_->trace;
  impl->slot = impl_->slot;
  return Tensor(impl);
}

bool Tensor::is_contiguous() const {
  std::int64_t step = 1;
  for (int i = ndim() - 1; i >= 0; --i) {
    const std::int64_t length = shape()[i];
    if (length != 1 && strides()[i] != step) return size() == 0;
    step *= length;
  }
  return true;
}

double Tensor::item_as_double() const { return load<double>(data(), dtype()); }
std::int64_t Tensor::item_as_int() const { return load<std::int64_t>(data(), dtype()); }

namespace {

int log2_size(DType dtype) {
  switch (itemsize(dtype)) {
    case 1:
      return 0;
    case 2:
      return 1;
    case 4:
      return 2;
    default:
      return 3;
  }
}

// The lowest and one past the highest byte that a tensor touches.
std::pair<const char*, const char*> extent(const Tensor& x) {
  std::int64_t low = 0, high = 0;
  for (int i = 0; i < x.ndim(); ++i) {
    const std::int64_t reach = (x.length(i) - 1) * x.strides()[i];
    (reach < 0 ? low : high) += reach;
  }
  const std::int64_t size = static_cast<std::int64_t>(itemsize(x.dtype()));
  const char* base = static_cast<const char*>(x.data());
  return {base + low * size, base + (high + 1) * size};
}

bool same_layout(const Tensor& a, const Tensor& b) {
  return a.data() == b.data() && a.dtype() == b.dtype() && a.shape() == b.shape() && a.strides() == b.strides();
}

// Same dtype, same shape (strides of src may be 0), no overlap.
void copy_strided(const Shape& shape, DType dtype, char* dst, const Strides& dst_strides, const char* src,
                  const Strides& src_strides) {
  const std::int64_t size = static_cast<std::int64_t>(itemsize(dtype));
  const Strides strides[2] = {dst_strides, src_strides};
  const Loop loop = collapse(shape, strides, 2);
  const int inner = loop.ndim - 1;
  const MoveKernels& move = kernels().move;
  const StridedCopyFn copy = move.copy[log2_size(dtype)];
  // A transposition: the source runs fastest along the second innermost axis.
  if (loop.ndim >= 2 && loop.strides[inner][0] == 1 && loop.strides[inner - 1][1] == 1) {
    std::int64_t outer = 1;
    for (int d = 0; d < inner - 1; ++d) outer *= loop.dims[d];
    const std::int64_t rows = loop.dims[inner], cols = loop.dims[inner - 1];
    for (std::int64_t o = 0; o < outer; ++o) {
      std::int64_t rest = o, to = 0, from = 0;
      for (int d = inner - 2; d >= 0; --d) {
        const std::int64_t i = rest % loop.dims[d];
        rest /= loop.dims[d];
        to += i * loop.strides[d][0];
        from += i * loop.strides[d][1];
      }
      constexpr std::int64_t kBlock = 256;
      parallel_for((cols + kBlock - 1) / kBlock, [&](std::int64_t chunk) {
        const std::int64_t first = chunk * kBlock, count = cols - first < kBlock ? cols - first : kBlock;
        move.transpose[log2_size(dtype)](dst + (to + first * loop.strides[inner - 1][0]) * size,
                                         loop.strides[inner - 1][0], src + (from + first) * size,
                                         loop.strides[inner][1], rows, count);
      });
    }
    return;
  }
  std::int64_t runs = 1;
  for (int d = 0; d < inner; ++d) runs *= loop.dims[d];
  // Long runs are cut, short ones grouped, to about 64k elements a chunk.
  constexpr std::int64_t kChunk = 1 << 14;
  const std::int64_t length = loop.dims[inner];
  const std::int64_t pieces = runs == 1 ? (length + kChunk - 1) / kChunk : 1;
  const std::int64_t group = runs == 1 ? 1 : (length >= kChunk ? 1 : kChunk / length);
  const std::int64_t chunks = runs == 1 ? pieces : (runs + group - 1) / group;
  parallel_for(chunks, [&](std::int64_t chunk) {
    if (runs == 1) {
      const std::int64_t first = chunk * kChunk, count = length - first < kChunk ? length - first : kChunk;
      copy(dst + first * loop.strides[inner][0] * size, loop.strides[inner][0],
           src + first * loop.strides[inner][1] * size, loop.strides[inner][1], count);
      return;
    }
    const std::int64_t end = runs < (chunk + 1) * group ? runs : (chunk + 1) * group;
    for (std::int64_t run = chunk * group, rows; run < end; run += rows) {
      std::int64_t rest = run, to = 0, from = 0;
      for (int d = inner - 1; d >= 0; --d) {
        const std::int64_t i = rest % loop.dims[d];
        rest /= loop.dims[d];
        to += i * loop.strides[d][0];
        from += i * loop.strides[d][1];
      }
      const std::int64_t left = loop.dims[inner - 1] - run % loop.dims[inner - 1];
      rows = end - run < left ? end - run : left;
      move.copy_rows[log2_size(dtype)](dst + to * size, loop.strides[inner - 1][0], loop.strides[inner][0],
                                       src + from * size, loop.strides[inner - 1][1], loop.strides[inner][1], rows,
                                       length);
    }
  });
}

}  // namespace

void copy_into(const Tensor& dst, const Tensor& src) {
  Shape shape;
  if (!broadcast(dst.shape(), src.shape(), shape) || shape != dst.shape())
    throw ShapeError(message("could not broadcast input array from shape ", to_string(src.shape()), " into shape ",
                             to_string(dst.shape())));
  if (dst.size() == 0 || same_layout(dst, src)) return;
  Tensor from = src;
  const auto [dst_low, dst_high] = extent(dst);
  const auto [src_low, src_high] = extent(src);
  const bool overlap = src_low < dst_high && dst_low < src_high;
  if (overlap || from.dtype() != dst.dtype()) from = contiguous(from);
  if (overlap && from.same(src)) {
    from = Tensor::empty(src.dtype(), src.shape());
    std::memcpy(from.data(), src.data(), static_cast<std::size_t>(src.size()) * itemsize(src.dtype()));
  }
  if (from.dtype() != dst.dtype()) {
    Tensor converted = Tensor::empty(dst.dtype(), from.shape());
    kernels().move.cast[index(dst.dtype())][index(from.dtype())](converted.data(), from.data(), from.size());
    from = converted;
  }
  copy_strided(dst.shape(), dst.dtype(), static_cast<char*>(dst.data()), dst.strides(),
               static_cast<const char*>(from.data()), broadcast_strides(from.shape(), from.strides(), dst.shape()));
}

Tensor copied(const Tensor& x) {
  Tensor result = Tensor::empty(x.dtype(), x.shape());
  if (x.size() > 0)
    copy_strided(x.shape(), x.dtype(), static_cast<char*>(result.data()), result.strides(),
                 static_cast<const char*>(x.data()), x.strides());
  return result;
}

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : copied(x); }

bool share_memory(const Tensor& a, const Tensor& b) {
  const Storage &s = *a.impl()->storage, &t = *b.impl()->storage;
  const auto first = [](const Storage& each) { return reinterpret_cast<std::uintptr_t>(each.data); };
  return first(s) < first(t) + t.bytes && first(t) < first(s) + s.bytes;
}

}  // namespace chainrule
