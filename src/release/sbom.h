// The bill of materials of a release: CycloneDX 1.6 in JSON, with the model's card and the digest
// of each file. https://cyclonedx.org/docs/1.6/json/
#pragma once

#include <string>

#include "trust/manifest.h"

namespace polder::release {

// A port of the model, for its card.
struct PortText {
  std::string name, format;  // "f32 [1,3,224,224]"
};
struct ModelPorts {
  std::vector<PortText> inputs, outputs;
};

// The same bytes for equal manifests and ports. `manifest.sbom` and its blob are not looked at.
std::string sbom_bytes(const trust::Manifest& manifest, const ModelPorts& ports);

}  // namespace polder::release
