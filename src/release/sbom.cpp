#include "release/sbom.h"

#include <polder/model.h>

#include "base/fail.h"
#include "trust/tuf_metadata.h"

namespace polder::release {

namespace {

using trust::hex;
using trust::Json;
using trust::Manifest;

Json hashes_of(const trust::Sha256& digest) {
  return Json::Array{Json::Members{{"alg", "SHA-256"}, {"content", hex(digest)}}};
}

Json property(const std::string& name, std::string value) {
  return Json::Members{{"name", "polder:" + name}, {"value", std::move(value)}};
}

Json licences(const std::string& expression) {
  return Json::Array{Json::Members{{"expression", expression}}};
}

// What a file of the release is called in the document.
std::string reference(std::string_view kind, const std::string& name, const trust::Sha256& blob) {
  return fmt::format("{}:{}:{}", kind, name, hex(blob).substr(0, 16));
}

Json artifact_component(const Manifest& manifest, const trust::Artifact& artifact) {
  Json::Array properties{property("kind", std::string(artifact_kind_name(artifact.kind))),
                         property("target", artifact.target)};
  if (!artifact.requirement.backend.empty())
    properties.push_back(property("backend", artifact.requirement.backend));
  if (artifact.sealed)
    properties.push_back(property("sealed.sha256", hex(artifact.sealed->sha256)));
  const bool is_runtime = artifact.kind == trust::ArtifactKind::kRuntime;
  return Json::Members{{"type", is_runtime ? "application" : "machine-learning-model"},
                       {"bom-ref", reference("artifact",
                                             fmt::format("{}:{}:{}", artifact.name, artifact.target,
                                                         artifact.requirement.backend),
                                             artifact.blob)},
                       {"name", artifact.name},
                       {"version", manifest.version.text()},
                       {"hashes", hashes_of(artifact.blob)},
                       {"properties", std::move(properties)}};
}

Json file_component(std::string_view kind, const std::string& name, const trust::Sha256& blob) {
  return Json::Members{{"type", "file"},
                       {"bom-ref", reference(kind, name, blob)},
                       {"name", name},
                       {"hashes", hashes_of(blob)}};
}

Json::Array components_of(const Manifest& manifest) {
  Json::Array components;
  for (const trust::Artifact& artifact : manifest.artifacts) {
    components.push_back(artifact_component(manifest, artifact));
  }
  if (manifest.pipeline) {
    components.push_back(file_component("pipeline", "pipeline.toml", manifest.pipeline->blob));
    for (const auto& [name, blob] : manifest.pipeline->files) {
      components.push_back(file_component("file", name, blob));
    }
  }
  return components;
}

Json::Array formats(const std::vector<PortText>& ports) {
  Json::Array list;
  for (const PortText& port : ports) {
    list.push_back(Json::Members{{"format", fmt::format("{} {}", port.name, port.format)}});
  }
  return list;
}

Json::Array datasets_of(const trust::Lineage& lineage) {
  Json::Array list;
  for (const trust::Dataset& dataset : lineage.datasets) {
    Json::Array properties{property("sha256", hex(dataset.sha256))};
    if (!dataset.licence.empty()) properties.push_back(property("licence", dataset.licence));
    list.push_back(Json::Members{{"type", "dataset"},
                                 {"name", dataset.name},
                                 {"contents", Json::Members{{"properties", properties}}}});
  }
  return list;
}

Json::Array metrics_of(const trust::ModelCard& card) {
  Json::Array list;
  for (const trust::Metric& metric : card.metrics) {
    Json::Members entry{{"type", metric.name}, {"value", Json(metric.value).compact()}};
    if (!metric.slice.empty()) entry["slice"] = metric.slice;
    list.push_back(std::move(entry));
  }
  return list;
}

// Adds a list under that name, unless it is empty.
void put(Json::Members& members, const char* name, Json::Array list) {
  if (!list.empty()) members[name] = std::move(list);
}

void put_text(Json::Members& members, const char* name, const std::string& text) {
  if (!text.empty()) members[name] = Json::Array{text};
}

Json card_of(const Manifest& manifest, const ModelPorts& ports) {
  Json::Members parameters, considerations, card;
  put(parameters, "datasets", datasets_of(manifest.lineage));
  put(parameters, "inputs", formats(ports.inputs));
  put(parameters, "outputs", formats(ports.outputs));
  if (!parameters.empty()) card["modelParameters"] = std::move(parameters);
  if (auto metrics = metrics_of(manifest.card); !metrics.empty()) {
    card["quantitativeAnalysis"] = Json::Members{{"performanceMetrics", std::move(metrics)}};
  }
  put_text(considerations, "useCases", manifest.card.intended_use);
  put_text(considerations, "technicalLimitations", manifest.card.limitations);
  if (!manifest.card.ethics.empty()) {
    considerations["ethicalConsiderations"] =
        Json::Array{Json::Members{{"name", manifest.card.ethics}}};
  }
  if (!considerations.empty()) card["considerations"] = std::move(considerations);
  Json::Array properties;
  for (const auto& [name, text] : {std::pair{"training_data", &manifest.card.training_data},
                                   {"evaluation_data", &manifest.card.evaluation_data},
                                   {"contact", &manifest.card.contact}}) {
    if (!text->empty()) properties.push_back(property(name, *text));
  }
  put(card, "properties", std::move(properties));
  return card;
}

Json pedigree_of(const trust::Lineage& lineage) {
  Json::Array ancestors;
  for (const trust::Parent& parent : lineage.parents) {
    ancestors.push_back(Json::Members{
        {"type", "machine-learning-model"},
        {"name", parent.model},
        {"version", parent.version.text()},
        {"properties", Json::Array{property("manifest.sha256", hex(parent.manifest))}}});
  }
  return Json::Members{{"ancestors", std::move(ancestors)}};
}

// The release as a whole.
Json subject_of(const Manifest& manifest, const ModelPorts& ports, const std::string& ref) {
  Json::Members subject{{"type", "machine-learning-model"},
                        {"bom-ref", ref},
                        {"name", manifest.model},
                        {"version", manifest.version.text()},
                        {"licenses", licences(manifest.licence)},
                        {"modelCard", card_of(manifest, ports)}};
  if (!manifest.card.summary.empty()) subject["description"] = manifest.card.summary;
  if (!manifest.lineage.parents.empty()) subject["pedigree"] = pedigree_of(manifest.lineage);
  return subject;
}

// A UUID (RFC 9562, version 8) that the document's content gives, so that it can be made again.
std::string serial_number(const std::string& content) {
  trust::Sha256 digest = trust::sha256(content);
  digest[6] = std::uint8_t((digest[6] & 0x0f) | 0x80);
  digest[8] = std::uint8_t((digest[8] & 0x3f) | 0x80);
  const std::string digits = hex(digest);
  return fmt::format("urn:uuid:{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4),
                     digits.substr(12, 4), digits.substr(16, 4), digits.substr(20, 12));
}

}  // namespace

std::string sbom_bytes(const Manifest& manifest, const ModelPorts& ports) {
  const std::string ref = fmt::format("release:{}@{}", manifest.model, manifest.version.text());
  Json::Array components = components_of(manifest), needed;
  for (const Json& component : components) needed.push_back(*component.find("bom-ref"));
  const Json tools = Json::Members{
      {"components", Json::Array{Json::Members{
                         {"type", "application"}, {"name", "polder"}, {"version", version()}}}}};
  Json::Members document{
      {"$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json"},
      {"bomFormat", "CycloneDX"},
      {"specVersion", "1.6"},
      {"version", 1},
      {"metadata", Json::Members{{"timestamp", trust::tuf::time_text(manifest.created_s)},
                                 {"tools", tools},
                                 {"component", subject_of(manifest, ports, ref)}}},
      {"components", std::move(components)},
      {"dependencies", Json::Array{Json::Members{{"ref", ref}, {"dependsOn", std::move(needed)}}}}};
  document["serialNumber"] = serial_number(Json(document).compact());
  return Json(std::move(document)).pretty();
}

}  // namespace polder::release
