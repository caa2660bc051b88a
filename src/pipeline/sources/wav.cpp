#include "pipeline/sources/wav.h"

#include <algorithm>
#include <cstring>

#include "base/fail.h"

namespace polder::pipeline {
namespace {

constexpr int kPcm = 1, kFloat = 3, kExtensible = 0xFFFE;
constexpr int kMaxChannels = 64, kMaxRate_hz = 768'000;

std::uint32_t number(std::span<const std::byte> bytes, std::size_t at, int size) {
  std::uint32_t value = 0;
  for (int i = 0; i < size; ++i)
    value |= std::uint32_t(std::to_integer<unsigned>(bytes[at + std::size_t(i)])) << (8 * i);
  return value;
}

bool tag(std::span<const std::byte> bytes, std::size_t at, const char* text) {
  return std::memcmp(bytes.data() + at, text, 4) == 0;
}

Status read_format(std::span<const std::byte> chunk, std::string_view name, Wav& wav) {
  if (chunk.size() < 16)
    return fail(Code::kCorrupt, "{}: the 'fmt ' chunk has {} bytes, at least 16 are expected", name,
                chunk.size());
  int format = int(number(chunk, 0, 2));
  if (format == kExtensible && chunk.size() >= 26) format = int(number(chunk, 24, 2));
  wav.channels = int(number(chunk, 2, 2));
  wav.bits = int(number(chunk, 14, 2));
  wav.is_float = format == kFloat;
  const std::uint32_t rate_hz = number(chunk, 4, 4);
  const bool pcm = format == kPcm && (wav.bits == 16 || wav.bits == 24 || wav.bits == 32);
  if (!pcm && !(wav.is_float && wav.bits == 32))
    return fail(Code::kUnsupported,
                "{}: format {} with {} bits; PCM of 16, 24 or 32 bits and 32-bit "
                "float are read",
                name, format, wav.bits);
  if (wav.channels < 1 || wav.channels > kMaxChannels || rate_hz < 1 || rate_hz > kMaxRate_hz)
    return fail(Code::kCorrupt, "{}: {} channels at {} Hz", name, wav.channels, rate_hz);
  wav.sample_rate_hz = int(rate_hz);
  return {};
}

}  // namespace

Result<Wav> parse_wav(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.size() > kMaxWavBytes)
    return fail(Code::kExhausted, "{}: {} bytes; at most {} are accepted", name, bytes.size(),
                kMaxWavBytes);
  if (bytes.size() < 12 || !tag(bytes, 0, "RIFF") || !tag(bytes, 8, "WAVE"))
    return fail(Code::kCorrupt, "{}: not a RIFF WAVE file", name);
  Wav wav;
  for (std::size_t at = 12; bytes.size() - at >= 8;) {
    const std::size_t stated = number(bytes, at + 4, 4);
    const std::size_t held = std::min(stated, bytes.size() - at - 8);
    const auto chunk = bytes.subspan(at + 8, held);
    if (tag(bytes, at, "fmt ")) TRY(read_format(chunk, name, wav));
    if (tag(bytes, at, "data")) {
      if (wav.channels == 0) return fail(Code::kCorrupt, "{}: 'data' comes before 'fmt '", name);
      wav.cut_short = held < stated;
      wav.data = chunk.first(held - held % wav.frame_bytes());
      return wav;
    }
    at += 8 + held + (held & 1);  // chunks are padded to even sizes
    if (at > bytes.size()) break;
  }
  return fail(Code::kCorrupt, "{}: no 'data' chunk; the file is cut short or damaged", name);
}

float Wav::mono(std::uint64_t frame) const {
  float sum = 0;
  const std::size_t size = std::size_t(bits) / 8;
  for (int channel = 0; channel < channels; ++channel) {
    const std::size_t at = std::size_t(frame) * frame_bytes() + std::size_t(channel) * size;
    const std::uint32_t word = number(data, at, int(size)) << (32 - bits);
    float value = 0;
    if (is_float) std::memcpy(&value, &word, 4);
    else value = float(double(std::int32_t(word)) / 2147483648.0);
    sum += value;
  }
  return sum / float(channels);
}

}  // namespace polder::pipeline
