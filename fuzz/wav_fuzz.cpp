// WAVE files of any bytes: samples or an error, never a crash.
#include <cstddef>
#include <cstdint>

#include "pipeline/sources/wav.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto wav =
      polder::pipeline::parse_wav({reinterpret_cast<const std::byte*>(data), size}, "fuzz.wav");
  if (!wav.ok()) return 0;
  volatile float sum = 0;
  for (std::uint64_t i = 0; i < wav->frames(); ++i) sum = sum + wav->mono(i);
  return 0;
}
