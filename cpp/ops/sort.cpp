// sort and argsort along an axis.
// Invariants: stable, nan last; merge sort in scratch memory, so nothing is allocated.
#include <cmath>

#include "ops/functions.h"
#include "ops/rows.h"

namespace chainrule {
namespace {

template <class T>
bool comes_before(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a < b || (std::isnan(b) && !std::isnan(a));
  } else {
    return a < b;
  }
}

// Insertion sort of short runs, then merges of twice the length each, to and fro; the result ends up in `items`.
template <class T, class Less>
void merge_sort(T* items, T* spare, std::int64_t n, Less&& less) {
  constexpr std::int64_t kRun = 16;
  for (std::int64_t start = 0; start < n; start += kRun) {
    const std::int64_t end = std::min(start + kRun, n);
    for (std::int64_t i = start + 1; i < end; ++i) {
      const T item = items[i];
      std::int64_t k = i;
      for (; k > start && less(item, items[k - 1]); --k) items[k] = items[k - 1];
      items[k] = item;
    }
  }
  T *from = items, *to = spare;
  for (std::int64_t width = kRun; width < n; width *= 2) {
    for (std::int64_t start = 0; start < n; start += 2 * width) {
      const std::int64_t middle = std::min(start + width, n), end = std::min(start + 2 * width, n);
      std::int64_t left = start, right = middle;
      for (std::int64_t k = start; k < end; ++k)
        to[k] = right == end || (left < middle && !less(from[right], from[left])) ? from[left++] : from[right++];
    }
    std::swap(from, to);
  }
  if (from != items) std::copy_n(from, n, items);
}

struct SortTask {
  Split split;
  std::int64_t work;
};

template <class T>
void run_sort(const Task& task, void* const* ptr) {
  const auto& t = task.get<SortTask>();
  const std::int64_t n = t.split.length;
  const std::size_t bytes[] = {sizeof(T)};
  for_rows<1, 1>(t.split, t.work, bytes, bytes, ptr, ptr + 1,
                 [&](void* const* out, const void* const* in, std::int64_t rows) {
                   T* spare = static_cast<T*>(thread_scratch(2, static_cast<std::size_t>(n) * sizeof(T)));
                   for (std::int64_t row = 0; row < rows; ++row) {
                     T* to = static_cast<T*>(out[0]) + row * n;
                     std::copy_n(static_cast<const T*>(in[0]) + row * n, n, to);
                     merge_sort(to, spare, n, comes_before<T>);
                   }
                 });
}

template <class T>
void run_argsort(const Task& task, void* const* ptr) {
  const auto& t = task.get<SortTask>();
  const std::int64_t n = t.split.length;
  const std::size_t in_bytes[] = {sizeof(T)}, out_bytes[] = {sizeof(std::int64_t)};
  for_rows<1, 1>(
      t.split, t.work, in_bytes, out_bytes, ptr, ptr + 1,
      [&](void* const* out, const void* const* in, std::int64_t rows) {
        auto* spare = static_cast<std::int64_t*>(thread_scratch(2, static_cast<std::size_t>(n) * sizeof(std::int64_t)));
        for (std::int64_t row = 0; row < rows; ++row) {
          auto* to = static_cast<std::int64_t*>(out[0]) + row * n;
          const T* keys = static_cast<const T*>(in[0]) + row * n;
          for (std::int64_t i = 0; i < n; ++i) to[i] = i;
          merge_sort(to, spare, n, [keys](std::int64_t a, std::int64_t b) { return comes_before(keys[a], keys[b]); });
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
  t.work = 1;
  for (std::int64_t n = t.split.length; n > 0; n /= 2) t.work += 2;  // comparisons an element takes part in
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
