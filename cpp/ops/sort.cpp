// sort and argsort along an axis.
// Invariants: stable, nan last. Elements are sorted as unsigned keys in the same order: long rows digit by digit (radix
// sort from the least digit), short ones by merging; both in scratch memory, so nothing is allocated.
#include <cmath>
#include <cstring>

#include "ops/functions.h"
#include "ops/rows.h"

namespace chainrule {
namespace {

// ---- keys ----------------------------------------------------------------------------------------------------------

template <std::size_t bytes>
using Unsigned = std::conditional_t<
    bytes == 1, std::uint8_t,
    std::conditional_t<bytes == 2, std::uint16_t, std::conditional_t<bytes == 4, std::uint32_t, std::uint64_t>>>;
template <class T>
using Key = Unsigned<sizeof(T)>;
template <class T>
constexpr Key<T> kSign = static_cast<Key<T>>(Key<T>{1} << (8 * sizeof(T) - 1));

template <class T>
Key<T> to_key(T value) {
  Key<T> bits;
  std::memcpy(&bits, &value, sizeof value);
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return static_cast<Key<T>>(~Key<T>{0});
    return bits & kSign<T> ? static_cast<Key<T>>(~bits) : static_cast<Key<T>>(bits | kSign<T>);
  } else if constexpr (std::is_signed_v<T>) {
    return bits ^ kSign<T>;
  }
  return bits;
}

template <class T>
T from_key(Key<T> key) {
  if constexpr (std::is_floating_point_v<T>) {
    key = key & kSign<T> ? key ^ kSign<T> : static_cast<Key<T>>(~key);
  } else if constexpr (std::is_signed_v<T>) {
    key ^= kSign<T>;
  }
  T value;
  std::memcpy(&value, &key, sizeof value);
  return value;
}

// ---- sorting items by key; both leave the result in `items` --------------------------------------------------------

constexpr std::int64_t kRadixLength = 256;

// Insertion sort of short runs, then merges of twice the length each, to and fro.
template <class Item, class KeyOf>
void merge_sort(Item* items, Item* spare, std::int64_t n, KeyOf key_of) {
  constexpr std::int64_t kRun = 16;
  for (std::int64_t start = 0; start < n; start += kRun) {
    const std::int64_t end = std::min(start + kRun, n);
    for (std::int64_t i = start + 1; i < end; ++i) {
      const Item item = items[i];
      std::int64_t k = i;
      for (; k > start && key_of(item) < key_of(items[k - 1]); --k) items[k] = items[k - 1];
      items[k] = item;
    }
  }
  Item *from = items, *to = spare;
  for (std::int64_t width = kRun; width < n; width *= 2) {
    for (std::int64_t start = 0; start < n; start += 2 * width) {
      const std::int64_t middle = std::min(start + width, n), end = std::min(start + 2 * width, n);
      std::int64_t left = start, right = middle;
      for (std::int64_t k = start; k < end; ++k) {
        const bool take_left = right == end || (left < middle && !(key_of(from[right]) < key_of(from[left])));
        to[k] = from[take_left ? left++ : right++];
      }
    }
    std::swap(from, to);
  }
  if (from != items) std::copy_n(from, n, items);
}

// One stable distribution for each byte of the key that isn't the same everywhere.
template <class Item, class KeyOf>
void radix_sort(Item* items, Item* spare, std::int64_t n, KeyOf key_of) {
  constexpr int kDigits = sizeof(key_of(*items));
  std::int64_t counts[kDigits][256] = {};
  for (std::int64_t i = 0; i < n; ++i)
    for (int digit = 0; digit < kDigits; ++digit) ++counts[digit][key_of(items[i]) >> (8 * digit) & 255];
  Item *from = items, *to = spare;
  for (int digit = 0; digit < kDigits; ++digit) {
    if (counts[digit][key_of(from[0]) >> (8 * digit) & 255] == n) continue;
    std::int64_t place[256], before = 0;
    for (int value = 0; value < 256; ++value) {
      place[value] = before;
      before += counts[digit][value];
    }
    for (std::int64_t i = 0; i < n; ++i) to[place[key_of(from[i]) >> (8 * digit) & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != items) std::copy_n(from, n, items);
}

template <class Item, class KeyOf>
void sort_items(Item* items, Item* spare, std::int64_t n, KeyOf key_of) {
  if (n < kRadixLength) {
    merge_sort(items, spare, n, key_of);
  } else {
    radix_sort(items, spare, n, key_of);
  }
}

// ---- rows ----------------------------------------------------------------------------------------------------------

constexpr std::int64_t kWork = 16;  // an element sorted beside an addition

struct SortTask {
  Split split;
};

template <class T>
void run_sort(const Task& task, void* const* ptr) {
  const Split& split = task.get<SortTask>().split;
  const std::int64_t n = split.length;
  const std::size_t bytes[] = {sizeof(T)};
  for_rows<1, 1>(split, kWork, bytes, bytes, ptr, ptr + 1,
                 [&](void* const* out, const void* const* in, std::int64_t rows) {
                   auto* keys = static_cast<Key<T>*>(thread_scratch(2, static_cast<std::size_t>(2 * n) * sizeof(T)));
                   for (std::int64_t row = 0; row < rows; ++row) {
                     const T* from = static_cast<const T*>(in[0]) + row * n;
                     T* to = static_cast<T*>(out[0]) + row * n;
                     for (std::int64_t i = 0; i < n; ++i) keys[i] = to_key(from[i]);
                     sort_items(keys, keys + n, n, [](Key<T> key) { return key; });
                     for (std::int64_t i = 0; i < n; ++i) to[i] = from_key<T>(keys[i]);
                   }
                 });
}

template <class T>
struct KeyedIndex {
  Key<T> key;
  std::int64_t index;
};

template <class T>
void run_argsort(const Task& task, void* const* ptr) {
  using Item = KeyedIndex<T>;
  const Split& split = task.get<SortTask>().split;
  const std::int64_t n = split.length;
  const std::size_t in_bytes[] = {sizeof(T)}, out_bytes[] = {sizeof(std::int64_t)};
  for_rows<1, 1>(split, kWork, in_bytes, out_bytes, ptr, ptr + 1,
                 [&](void* const* out, const void* const* in, std::int64_t rows) {
                   auto* items = static_cast<Item*>(thread_scratch(2, static_cast<std::size_t>(2 * n) * sizeof(Item)));
                   for (std::int64_t row = 0; row < rows; ++row) {
                     const T* from = static_cast<const T*>(in[0]) + row * n;
                     auto* to = static_cast<std::int64_t*>(out[0]) + row * n;
                     for (std::int64_t i = 0; i < n; ++i)
                       items[i] = {to_key(from[i] == T{} ? T{} : from[i]), i};  // -0 is 0
                     sort_items(items, items + n, n, [](const Item& item) { return item.key; });
                     for (std::int64_t i = 0; i < n; ++i) to[i] = items[i].index;
                   }
                 });
}

int axis_of(const Call& call) { return normalize_axis(call.attrs[0].integer, call.in(0).ndim(), call.op.name); }

template <bool indices>
void infer(const Call& call, std::vector<Output>& outputs) {
  axis_of(call);
  outputs.push_back({indices ? DType::I64 : call.in(0).dtype(), call.in(0).shape()});
}

template <bool indices>
void lower(const Call& call, Task& task) {
  auto& t = task.params<SortTask>();
  t.split = split_at(call.in(0).shape(), axis_of(call));
  dispatch(call.in(0).dtype(),
           [&](auto zero) { task.run = indices ? run_argsort<decltype(zero)> : run_sort<decltype(zero)>; });
}

// The cotangent goes back to where each element came from.
void sort_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const Tensor order = call_op("argsort", {call.in(0)}, call.attrs);
  grads[0] = call_op("put_along_axis_add", {fn::full(g[0].dtype(), g[0].shape(), 0), order, g[0]}, call.attrs);
}

bool register_all() {
  Op sort;
  sort.name = "sort";
  sort.doc = "The elements in ascending order along an axis; nan last.";
  sort.tensors = {{"x"}};
  sort.attrs = {attr_with_default("axis", AttrKind::integer, Attr::of(-1))};
  sort.prepare = contiguous_inputs;
  sort.infer = infer<false>;
  sort.lower = lower<false>;
  sort.vjp = sort_vjp;
  sort.saves_inputs = 1;
  register_op(sort);

  Op argsort = sort;
  argsort.name = "argsort";
  argsort.doc = "The indices that sort along an axis, stable; nan last.";
  argsort.infer = infer<true>;
  argsort.lower = lower<true>;
  argsort.vjp = nullptr;
  argsort.saves_inputs = 0;
  register_op(argsort);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
