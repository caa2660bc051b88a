// Packing constants into the layouts that kernels read.
#include "ops/pack.h"

#include <algorithm>
#include <cstring>

#include "base/fail.h"
#include "kernel/pack.h"

namespace polder::ops {

namespace {
struct Extents {
  std::int64_t groups = 1, outputs = 0, depth = 0;  // outputs of one group
  bool whole = false;                               // the shape is exactly these
};
Extents extents_of(const Packing& packing, const Shape& shape) {
  const std::int64_t elements = shape.elements();
  const std::int64_t first = shape.rank() ? shape[0] : 1;
  Extents e;
  e.groups = std::max(packing.groups, 1);
  e.depth = packing.depth > 0 ? packing.depth : first > 0 ? elements / first : 0;
  if (elements > 0 && elements <= kMaxElements && e.depth > 0) {
    e.outputs = elements / e.depth / e.groups;
    e.whole = e.outputs * e.groups * e.depth == elements;
  }
  return e;
}

// The elements of [O, taps, C] in memory: how far apart neighbours lie along each axis.
struct Strides {
  std::int64_t taps = 1, channels = 1;
  std::int64_t output = 0, tap = 0, channel = 1;
};
Strides strides_of(const Shape& shape, std::int64_t depth, Layout layout) {
  if (layout == Layout::kOutputsLast) return {1, depth, 1, 0, shape[0]};
  if (layout != Layout::kChannelsFirst) return {1, depth, depth, 0, 1};
  const std::int64_t channels = shape[shape.rank() - 1], taps = depth / channels;
  return {taps, channels, depth, 1, taps};
}

void copy_plain(const Shape& shape, const std::byte* from, std::byte* out, Layout layout) {
  const std::int64_t elements = shape.elements();
  if (elements == 0) return;
  const std::int64_t outputs = shape.rank() ? shape[0] : 1;
  const Strides s = strides_of(shape, elements / outputs, layout);
  if (s.channel == 1) {
    std::memcpy(out, from, std::size_t(elements) * sizeof(float));
    return;
  }
  for (std::int64_t o = 0; o < outputs; ++o) {
    for (std::int64_t tap = 0; tap < s.taps; ++tap) {
      for (std::int64_t c = 0; c < s.channels; ++c, out += sizeof(float)) {
        const std::int64_t at = o * s.output + tap * s.tap + c * s.channel;
        std::memcpy(out, from + at * std::int64_t(sizeof(float)), sizeof(float));
      }
    }
  }
}
}  // namespace

std::size_t packed_bytes(const Packing& packing, const Shape& shape) {
  if (packing.layout == Layout::kPlain) return std::size_t(shape.elements()) * sizeof(float);
  const Extents e = extents_of(packing, shape);
  if (!e.whole) return SIZE_MAX;
  if (packing.layout == Layout::kTaps) {
    return std::size_t(kernel::tap_elements(e.groups * e.outputs, e.depth)) * sizeof(float);
  }
  return std::size_t(e.groups * kernel::panel_elements(e.outputs, e.depth)) * sizeof(float);
}

void pack(const Packing& packing, const Shape& shape, const void* elements, float* out,
          Layout from) {
  const Extents e = extents_of(packing, shape);
  const auto* bytes = static_cast<const std::byte*>(elements);
  if (packing.layout == Layout::kPlain) {
    return copy_plain(shape, bytes, reinterpret_cast<std::byte*>(out), from);
  }
  const Strides s = strides_of(shape, e.depth, from);
  if (packing.layout == Layout::kTaps) {  // of one channel: plain and channels first are the same
    return kernel::pack_taps(bytes, e.depth, 1, e.groups * e.outputs, e.depth, out);
  }
  for (std::int64_t group = 0; group < e.groups; ++group) {
    kernel::pack_panels(
        {.weights = bytes + group * e.outputs * s.output * std::int64_t(sizeof(float)),
         .outputs = e.outputs,
         .taps = s.taps,
         .channels = s.channels,
         .output_stride = s.output,
         .tap_stride = s.tap,
         .channel_stride = s.channel},
        out + group * kernel::panel_elements(e.outputs, e.depth));
  }
}

Bytes plain_copy(const Value& value, std::span<std::byte>* out) {
  std::span<std::byte> to;
  Bytes copy = Bytes::allocate(value.data.view.size(), &to);
  if (!copy) return {};
  copy_plain(value.dims.bounds(), value.data.view.data(), to.data(), value.layout);
  if (out) *out = to;
  return copy;
}

Status make_plain(Value& value) {
  const bool as_in_file = value.layout == Layout::kUnaligned ||
                          value.layout == Layout::kChannelsFirst ||
                          value.layout == Layout::kOutputsLast;
  if (!as_in_file) return {};
  Bytes plain = plain_copy(value, nullptr);
  if (!plain) {
    return fail(Code::kExhausted, "'{}': no memory for {} bytes", value.name,
                value.data.view.size());
  }
  value.data = std::move(plain);
  value.layout = Layout::kPlain;
  return {};
}

}  // namespace polder::ops
