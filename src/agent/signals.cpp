#include "agent/signals.h"

#include <cmath>
#include <cstdint>

#include "proto/worker.h"

namespace polder::agent {

using pipeline::PayloadKind;

namespace {

std::string name_of(const pipeline::NodeSpec& spec, std::string_view suffix) {
  return spec.name.substr(0, proto::kMaxNameBytes - suffix.size()).append(suffix);
}

}  // namespace

std::string signal_of(const pipeline::NodeSpec& spec) {
  const PayloadKind output = spec.type->output;
  const bool is_source = spec.type->inputs.empty();
  std::string_view suffix;
  if (output == PayloadKind::kImage && is_source) suffix = ".brightness";
  else if (output == PayloadKind::kAudio && is_source) suffix = ".rms";
  else if (output == PayloadKind::kDetections) suffix = ".score";
  else return "";
  return name_of(spec, suffix);
}

std::string found_signal_of(const pipeline::NodeSpec& spec) {
  return spec.type->output == PayloadKind::kDetections ? name_of(spec, ".found") : "";
}

double brightness(const pipeline::Image& image) {
  std::uint64_t sum = 0, count = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 61, ++count) sum += image.pixels[i];
  return count > 0 ? double(sum) / (255.0 * double(count)) : 0;
}

double rms(const pipeline::Audio& audio) {
  double sum = 0;
  for (const float sample : audio.samples) sum += double(sample) * double(sample);
  return audio.samples.empty() ? 0 : std::sqrt(sum / double(audio.samples.size()));
}

}  // namespace polder::agent
