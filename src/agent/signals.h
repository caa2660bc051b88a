// What is measured of what passes through a pipeline, as a device watches it and a release's
// baselines have it: NODE.brightness of images and NODE.rms of sound, where they come in, and
// NODE.score of detections; all in 0..1. NODE.found is 1 for a packet in which something was
// detected and 0 for one in which nothing was: it has no baseline.
#pragma once

#include <string>

#include "pipeline/graph.h"
#include "pipeline/packet.h"

namespace polder::agent {

// Empty where nothing is measured. At most proto::kMaxNameBytes.
std::string signal_of(const pipeline::NodeSpec& spec);

std::string found_signal_of(const pipeline::NodeSpec& spec);

double brightness(const pipeline::Image& image);
double rms(const pipeline::Audio& audio);

// Gives each value of a packet that the node of such an output made to `take(double)`.
template <class Take>
void measure(pipeline::PayloadKind output, const pipeline::Packet& packet, const Take& take) {
  if (output == pipeline::PayloadKind::kImage) {
    take(brightness(packet.as<pipeline::Image>()));
  } else if (output == pipeline::PayloadKind::kAudio) {
    take(rms(packet.as<pipeline::Audio>()));
  } else if (output == pipeline::PayloadKind::kDetections) {
    for (const pipeline::Detection& found : packet.as<pipeline::Detections>().items)
      take(double(found.score));
  }
}

}  // namespace polder::agent
