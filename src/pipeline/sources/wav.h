// RIFF WAVE files: PCM of 16, 24 and 32 bits and 32-bit float, mixed down to mono.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace polder::pipeline {

inline constexpr std::size_t kMaxWavBytes = std::size_t(1) << 30;

// A checked view of a WAVE file's samples; valid as long as the bytes are.
struct Wav {
  int sample_rate_hz = 0;
  int channels = 0;
  int bits = 0;
  bool is_float = false;
  bool cut_short = false;  // the header states more than the file holds
  std::span<const std::byte> data;

  std::uint64_t frames() const { return data.size() / frame_bytes(); }
  std::size_t frame_bytes() const { return std::size_t(channels) * std::size_t(bits) / 8; }
  // The mean of the channels of `frame`, in -1…1 (a float file may hold more).
  float mono(std::uint64_t frame) const;
};

// Errors: kCorrupt where the file breaks its format, kUnsupported for other encodings, kExhausted.
Result<Wav> parse_wav(std::span<const std::byte> bytes, std::string_view name);

}  // namespace polder::pipeline
