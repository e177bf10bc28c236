#include "tensor/mask.h"

#include <cstring>
#include <vector>

#include "runtime/threads.h"

namespace chainrule {

namespace {

constexpr std::int64_t kChunk = 1 << 16, kGroup = 8;

// Eight truth values, one bit in each byte: foreign memory may hold any byte for true.
std::uint64_t load_group(const unsigned char* mask) {
  std::uint64_t group;
  std::memcpy(&group, mask, sizeof group);
  if (group & ~0x0101010101010101u) {
    group |= group >> 4 & 0x0f0f0f0f0f0f0f0fu;
    group |= group >> 2 & 0x0303030303030303u;
    group |= group >> 1;
  }
  return group & 0x0101010101010101u;
}

bool none_true(const unsigned char* mask) {  // of four groups
  std::uint64_t groups[4];
  std::memcpy(groups, mask, sizeof groups);
  return (groups[0] | groups[1] | groups[2] | groups[3]) == 0;
}

// Calls chosen(i) for each true element in order; runs of false ones are passed over at once, and for groups of eight
// true ones all_chosen(i) is called instead.
template <class Chosen, class AllChosen>
void for_each_true(const unsigned char* mask, std::int64_t first, std::int64_t last, Chosen&& chosen,
                   AllChosen&& all_chosen) {
  std::int64_t i = first;
  for (; i + kGroup <= last; i += kGroup) {
    while (i + 4 * kGroup <= last && none_true(mask + i)) i += 4 * kGroup;
    if (i + kGroup > last) break;
    const std::uint64_t group = load_group(mask + i);
    if (group == 0x0101010101010101u) {
      all_chosen(i);
      continue;
    }
    for (std::uint64_t left = group; left; left &= left - 1) chosen(i + __builtin_ctzll(left) / 8);
  }
  for (; i < last; ++i)
    if (mask[i]) chosen(i);
}

std::int64_t count_range(const unsigned char* mask, std::int64_t first, std::int64_t last) {
  std::int64_t count = 0, i = first;
  while (i + kGroup <= last) {
    std::uint64_t sums = 0;  // one of at most 255 in each byte
    for (int groups = 0; groups < 255 && i + kGroup <= last; ++groups, i += kGroup) sums += load_group(mask + i);
    constexpr std::uint64_t kPairs = 0x00ff00ff00ff00ffu;
    count += static_cast<std::int64_t>(((sums & kPairs) + (sums >> 8 & kPairs)) * 0x0001000100010001u >> 48);
  }
  for (; i < last; ++i) count += mask[i] != 0;
  return count;
}

// Where the true elements of every chunk begin among all of them; the last entry is their number. `counted` false: all
// are 0, for those who don't ask.
std::vector<std::int64_t> chunk_starts(const unsigned char* mask, std::int64_t size, bool counted = true) {
  const std::int64_t chunks = (size + kChunk - 1) / kChunk;
  std::vector<std::int64_t> starts(static_cast<std::size_t>(chunks) + 1, 0);
  if (!counted) return starts;
  parallel_for(chunks, [&](std::int64_t c) {
    starts[static_cast<std::size_t>(c) + 1] =
        count_range(mask, c * kChunk, size < (c + 1) * kChunk ? size : (c + 1) * kChunk);
  });
  for (std::size_t c = 1; c < starts.size(); ++c) starts[c] += starts[c - 1];
  return starts;
}

// Calls body(first, last, start) for every chunk: its elements, and the number of true ones before it.
template <class Body>
void for_chunks_of(std::int64_t size, const std::vector<std::int64_t>& starts, Body&& body) {
  parallel_for(static_cast<std::int64_t>(starts.size()) - 1, [&](std::int64_t c) {
    body(c * kChunk, size < (c + 1) * kChunk ? size : (c + 1) * kChunk, starts[static_cast<std::size_t>(c)]);
  });
}

template <class Body>
void by_size(DType dtype, Body&& body) {
  switch (itemsize(dtype)) {
    case 1:
      return body(std::uint8_t{});
    case 2:
      return body(std::uint16_t{});
    case 4:
      return body(std::uint32_t{});
    default:
      return body(std::uint64_t{});
  }
}

}  // namespace

std::int64_t count_true(const unsigned char* mask, std::int64_t size) { return count_range(mask, 0, size); }

Tensor compress(const Tensor& x, const Tensor& mask) {
  const auto* truth = mask.data_as<unsigned char>();
  const std::int64_t size = mask.size();
  const std::vector<std::int64_t> starts = chunk_starts(truth, size);
  Tensor result = Tensor::empty(x.dtype(), {starts.back()});
  by_size(x.dtype(), [&](auto element) {
    using Element = decltype(element);
    const Element* from = x.data_as<Element>();
    Element* to = result.data_as<Element>();
    for_chunks_of(size, starts, [&](std::int64_t first, std::int64_t last, std::int64_t start) {
      Element* next = to + start;
      for_each_true(
          truth, first, last, [&](std::int64_t i) { *next++ = from[i]; },
          [&](std::int64_t i) {
            std::memcpy(next, from + i, kGroup * sizeof(Element));
            next += kGroup;
          });
    });
  });
  return result;
}

namespace {

// The places of the true elements of [first, last) go to [to, end). Eight at a time without a branch, as long as the
// store that may be one too many has room.
void put_places(const unsigned char* truth, std::int64_t first, std::int64_t last, std::int64_t* to,
                const std::int64_t* end) {
  std::int64_t i = first;
  for (; i + kGroup <= last && end - to > kGroup; i += kGroup) {
    const std::uint64_t group = load_group(truth + i);
    if (group == 0) continue;
    for (int k = 0; k < kGroup; ++k) {
      *to = i + k;
      to += group >> (8 * k) & 1;
    }
  }
  for (; i < last && to < end; ++i)
    if (truth[i]) *to++ = i;
}

}  // namespace

std::vector<Tensor> true_places(const Tensor& mask) {
  const auto* truth = mask.data_as<unsigned char>();
  const std::int64_t size = mask.size();
  const std::vector<std::int64_t> starts = chunk_starts(truth, size);
  const int ndim = mask.ndim();
  std::vector<Tensor> columns;
  std::int64_t* to[kMaxDims];
  for (int axis = 0; axis < ndim; ++axis) {
    columns.push_back(Tensor::empty(DType::I64, {starts.back()}));
    to[axis] = columns.back().data_as<std::int64_t>();
  }
  if (ndim == 1) {
    for_chunks_of(size, starts, [&](std::int64_t first, std::int64_t last, std::int64_t start) {
      put_places(truth, first, last, to[0] + start, to[0] + starts[static_cast<std::size_t>(first / kChunk) + 1]);
    });
    return columns;
  }
  const std::int64_t row = ndim > 0 ? mask.length(ndim - 1) : 1;
  for_chunks_of(size, starts, [&](std::int64_t first, std::int64_t last, std::int64_t start) {
    std::int64_t at[kMaxDims] = {}, begin = 0;  // the row of the last element, and where it begins
    if (ndim > 1) {
      std::int64_t rest = first / row;
      begin = rest * row;
      for (int axis = ndim - 2; axis >= 0; --axis) {
        at[axis] = rest % mask.length(axis);
        rest /= mask.length(axis);
      }
    }
    std::int64_t next = start;
    const auto put = [&](std::int64_t i) {
      while (ndim > 1 && i - begin >= row) {
        begin += row;
        for (int axis = ndim - 2; axis >= 0 && ++at[axis] == mask.length(axis); --axis) at[axis] = 0;
      }
      for (int axis = 0; axis < ndim - 1; ++axis) to[axis][next] = at[axis];
      to[ndim - 1][next++] = i - begin;
    };
    for_each_true(truth, first, last, put, [&](std::int64_t i) {
      for (std::int64_t k = 0; k < kGroup; ++k) put(i + k);
    });
  });
  return columns;
}

void expand(const Tensor& x, const Tensor& mask, const void* values, int step) {
  const auto* truth = mask.data_as<unsigned char>();
  const std::int64_t size = mask.size();
  const std::vector<std::int64_t> starts = chunk_starts(truth, size, step != 0);
  by_size(x.dtype(), [&](auto element) {
    using Element = decltype(element);
    const Element* from = static_cast<const Element*>(values);
    Element* to = x.data_as<Element>();
    for_chunks_of(size, starts, [&](std::int64_t first, std::int64_t last, std::int64_t start) {
      const Element* next = from + (step ? start : 0);
      for_each_true(
          truth, first, last,
          [&](std::int64_t i) {
            to[i] = *next;
            next += step;
          },
          [&](std::int64_t i) {
            for (std::int64_t k = 0; k < kGroup; ++k) to[i + k] = next[k * step];
            next += kGroup * step;
          });
    });
  });
}

}  // namespace chainrule
