// For tests and fuzz seeds: a manifest with everything that a manifest can hold.
#pragma once

#include "trust/manifest.h"

namespace polder::trust {

inline Sha256 test_blob(Manifest& manifest, std::string_view text) {
  const Sha256 digest = sha256(text);
  manifest.blobs[digest].bytes = std::int64_t(text.size());
  return digest;
}

inline Artifact test_plan(Manifest& manifest, std::string target, std::int64_t format = 1) {
  Artifact plan{"detector", ArtifactKind::kPlan, std::move(target), {}, {}, {}, {}};
  plan.requirement = {format, {{"conv", 1}, {"softmax", 2}}, "native"};
  plan.blob = test_blob(manifest, "plan for " + plan.target);
  return plan;
}

inline Manifest test_manifest() {
  Manifest m;
  m.model = "people-counter";
  m.version = Version::parse("1.4.0-rc.1", "test").value();
  m.created_s = 1'800'000'000;
  m.licence = "Apache-2.0 AND LicenseRef-Acme";
  for (const char* target : {"x86-64-v3", "x86-64-v4", "arm64", "generic"}) {
    m.artifacts.push_back(test_plan(m, target));
  }
  m.blobs[m.artifacts[0].blob].chunks = test_blob(m, "chunks");
  m.artifacts[2].sealed = Sealed{sha256("id"), sha256("open"), 4, {}};
  m.artifacts[2].limits.latency_ms = 80.5;
  m.artifacts.push_back({"detector",
                         ArtifactKind::kTflite,
                         "generic",
                         {{}, {}, "litert"},
                         test_blob(m, "tflite"),
                         {},
                         {}});
  m.artifacts.push_back(
      {"polderd", ArtifactKind::kRuntime, "arm64", {}, test_blob(m, "polderd"), {}, {}});
  m.pipeline = Pipeline{test_blob(m, "[pipeline]"), {{"labels.txt", test_blob(m, "person\n")}}};
  m.goldens.push_back({"street",
                       "detector",
                       {{"image", test_blob(m, "in.npy")}},
                       {{"boxes", test_blob(m, "out.npy")}},
                       1e-5,
                       0.001});
  Baseline score{"detector.score", true, {}, {}};
  for (std::size_t i = 0; i < score.edges.size(); ++i) score.edges[i] = 0.0625 * double(i + 1);
  for (std::size_t i = 0; i < score.counts.size(); ++i) score.counts[i] = std::int64_t(i * i);
  m.baselines.push_back(score);
  m.limits = {33.25, 64'000'000};
  m.lineage.parents.push_back(
      {"people-counter", Version::parse("1.3.9", "test").value(), sha256("parent")});
  m.lineage.datasets.push_back({"street scenes 2026", sha256("data"), "CC-BY-4.0"});
  m.lineage.recipe = sha256("recipe");
  m.card.summary = "Counts people.\nNot faces.";
  m.card.limitations = "Daylight only.";
  m.card.metrics.push_back({"mAP", "night", 0.41});
  m.sbom = test_blob(m, "{}");
  return m;
}

}  // namespace polder::trust
