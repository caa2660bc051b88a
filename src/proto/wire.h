// What the formats of this room have in common on their way to FlatBuffers and back. Inside this
// room.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/fail.h"
#include "telemetry/sketch.h"

namespace polder::proto {

template <class T>
using Offset = flatbuffers::Offset<T>;
template <class T>
using Vector = flatbuffers::Vector<T>;
using Builder = flatbuffers::FlatBufferBuilder;
using Strings = Vector<Offset<flatbuffers::String>>;

// What may go to a log or a page as it is.
inline std::string printable(std::string_view text, std::size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

template <class T, class F>
auto each(Builder& builder, const std::vector<T>& items, F make) {
  std::vector<decltype(make(items[0]))> made;
  for (const T& item : items) made.push_back(make(item));
  return builder.CreateVector(made);
}

// The elements of a list of numbers, which need not be aligned.
template <class T>
std::vector<T> numbers(const Vector<T>& list) {
  std::vector<T> out(list.size());
  if (!out.empty()) std::memcpy(out.data(), list.Data(), out.size() * sizeof(T));
  return out;
}

// A message's bytes, aligned and verified; no message when they are none. A table may be pointed to
// more than once, so what is made of a message may be larger than it: readers hold lists to their
// caps before they make anything of them.
template <class Message>
struct VerifiedAs {
  template <class Verify, class Get>
  VerifiedAs(std::string_view bytes, Verify verify, Get get,
             flatbuffers::uoffset_t max_tables = 4096) {
    words.resize((bytes.size() + 7) / 8 + 1);
    if (!bytes.empty()) std::memcpy(words.data(), bytes.data(), bytes.size());
    const auto* data = reinterpret_cast<const std::uint8_t*>(words.data());
    flatbuffers::Verifier verifier(data, bytes.size(), /*max_depth=*/8, max_tables);
    if (bytes.size() >= 8 && verify(verifier)) message = get(data);
  }
  std::vector<std::uint64_t> words;
  const Message* message = nullptr;
};

// Sketches are the same in each schema but for the name space. `Create` is its CreateSketch.
template <class Create>
auto write_sketch(Builder& to, const telemetry::Sketch& sketch, Create create) {
  std::vector<std::uint16_t> buckets;
  std::vector<std::uint64_t> counts;
  for (const auto& [bucket, count] : sketch.buckets()) {
    buckets.push_back(bucket);
    counts.push_back(count);
  }
  const auto indices = to.CreateVector(buckets);
  const auto amounts = to.CreateVector(counts);
  return create(to, indices, amounts, sketch.min(), sketch.max(), sketch.sum(), sketch.refused());
}

template <class WireSketch>
Result<telemetry::Sketch> read_sketch(const WireSketch& from) {
  const auto indices = numbers(*from.buckets());
  const auto counts = numbers(*from.counts());
  if (indices.size() != counts.size()) return fail(Code::kCorrupt, "a sketch of two lengths");
  std::vector<telemetry::Sketch::Bucket> buckets;
  buckets.reserve(indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) buckets.push_back({indices[i], counts[i]});
  return telemetry::Sketch::from_parts(buckets, from.min(), from.max(), from.sum(), from.refused());
}

}  // namespace polder::proto
