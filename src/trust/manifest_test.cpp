#include "trust/manifest.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "trust/testing_release.h"

namespace polder::trust {
namespace {

bool holds(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// What parse() says of the good manifest after a change of its JSON.
std::string error_of(const std::function<void(Json::Members&)>& change) {
  Json json = test_manifest().to_json();
  change(*json.members());
  const auto manifest = Manifest::parse(json.compact(), "m.json");
  return manifest.ok() ? "accepted" : manifest.error().message;
}
Json& at(Json& json, const char* name) { return json.members()->find(name)->second; }
Json& at(Json::Members& members, const char* name) { return members.find(name)->second; }
Json& artifact(Json::Members& members, std::size_t i) {
  return (*at(members, "artifacts").array())[i];
}

TEST(Manifest, ComesBackAsItWas) {
  const Manifest manifest = test_manifest();
  ASSERT_TRUE(manifest.validate().ok()) << manifest.validate().error().message;
  const std::string bytes = manifest.bytes();
  const Manifest back = Manifest::parse(bytes, "m.json").value();
  EXPECT_TRUE(back == manifest);
  EXPECT_EQ(back.bytes(), bytes);
}

TEST(Manifest, TheLeastIsShort) {
  Manifest least;
  least.model = "m";
  least.licence = "MIT";
  least.artifacts.push_back(test_plan(least, "generic"));
  least.sbom = test_blob(least, "{}");
  const Json json = least.to_json();
  EXPECT_EQ(json.members()->size(), 8u);
  EXPECT_TRUE(Manifest::parse(json.compact(), "m").value() == least);
}

TEST(Manifest, UnknownMembersAreRefusedEverywhere) {
  // Every object of the document, by the path to it.
  int objects = 0;
  const std::function<void(Json&, const Json&)> walk = [&](Json& here, const Json& root) {
    if (Json::Members* members = here.members()) {
      // The names in these are data.
      const bool is_map = members->contains("conv") || members->contains("labels.txt");
      if (!is_map) {
        ++objects;
        members->emplace("zzz", 1);
        const auto result = Manifest::parse(root.compact(), "m");
        EXPECT_FALSE(result.ok()) << root.compact();
        EXPECT_TRUE(result.ok() || holds(result.error().message, "zzz: unknown member"));
        members->erase("zzz");
      }
      for (auto& [name, member] : *members) walk(member, root);
    } else if (Json::Array* array = here.array()) {
      for (Json& item : *array) walk(item, root);
    }
  };
  Json json = test_manifest().to_json();
  walk(json, json);
  EXPECT_GT(objects, 30);
  EXPECT_TRUE(holds(error_of([](auto& m) { m["artefacts"] = Json::Array(); }),
                    "m.json.artefacts: unknown member; is 'artifacts' meant?"));
}

// Each member of each object is needed, or its absence is understood: never a crash, and what is
// accepted is valid.
TEST(Manifest, MissingMembersNeverGoUnnoticed) {
  int refused = 0, accepted = 0;
  Json json = test_manifest().to_json();
  const std::function<void(Json&)> walk = [&](Json& here) {
    if (Json::Members* members = here.members()) {
      std::vector<std::string> names;
      for (const auto& [name, member] : *members) names.push_back(name);
      for (const std::string& name : names) {
        const Json kept = members->find(name)->second;
        members->erase(name);
        const auto result = Manifest::parse(json.compact(), "m");
        result.ok() ? ++accepted : ++refused;
        EXPECT_TRUE(!result.ok() || result->validate().ok());
        members->emplace(name, kept);
        walk(members->find(name)->second);
      }
    } else if (Json::Array* array = here.array()) {
      for (Json& item : *array) walk(item);
    }
  };
  walk(json);
  EXPECT_GT(refused, 80);
  EXPECT_GT(accepted, 10);
}

TEST(Manifest, WrongFormsSayWhatWasExpected) {
  EXPECT_TRUE(holds(error_of([](auto& m) { m["format"] = 2; }), "format 2; this build reads"));
  EXPECT_TRUE(holds(error_of([](auto& m) { m["model"] = "../x"; }), "m.json.model: a name of"));
  EXPECT_TRUE(holds(error_of([](auto& m) { m["version"] = "1.4"; }), "a version such as"));
  EXPECT_TRUE(holds(error_of([](auto& m) { m["created"] = "today"; }), "a time such as"));
  EXPECT_TRUE(holds(error_of([](auto& m) { m["licence"] = "a b"; }), "an SPDX expression"));
  EXPECT_TRUE(holds(error_of([](auto& m) { at(artifact(m, 0), "kind") = "exe"; }),
                    "m.json.artifacts[0].kind: plan, tflite, onnx or runtime"));
  EXPECT_TRUE(holds(error_of([](auto& m) { m["sbom"] = std::string(64, 'A'); }), "lower-case"));
  EXPECT_TRUE(holds(error_of([](auto& m) { m["artifacts"] = Json::Array(); }), "at least one"));
  EXPECT_TRUE(holds(error_of([](auto& m) { at(m, "limits").members()->at("latency_ms") = 0; }),
                    "limits.latency_ms"));
  EXPECT_TRUE(holds(error_of([](auto& m) {
                      Json& golden = (*at(m, "goldens").array())[0];
                      at(golden, "artifact") = "polderd";
                    }),
                    "the release has no model 'polderd'"));
  EXPECT_TRUE(holds(
      error_of([](auto& m) { (*at((*at(m, "baselines").array())[0], "edges").array())[3] = 0; }),
      "baselines 'detector.score'.edges[3]: a number above"));
  EXPECT_TRUE(holds(
      error_of([](auto& m) { at((*at(m, "baselines").array())[0], "counts").array()->pop_back(); }),
      "16 numbers expected, 15 found"));
}

TEST(Manifest, RequirementsFitTheKind) {
  const auto requires_of = [](Json::Members& m, std::size_t i) -> Json::Members& {
    return *at(artifact(m, i), "requires").members();
  };
  EXPECT_TRUE(holds(error_of([&](auto& m) { requires_of(m, 0).erase("plan_format"); }),
                    "plan_format: missing"));
  EXPECT_TRUE(holds(error_of([&](auto& m) { requires_of(m, 0)["backend"] = "litert"; }),
                    "plans run on 'native'"));
  EXPECT_TRUE(holds(error_of([&](auto& m) { requires_of(m, 4)["plan_format"] = 1; }),
                    "only plans have one"));
  EXPECT_TRUE(holds(error_of([&](auto& m) { requires_of(m, 4).erase("backend"); }),
                    "what is to run the model?"));
  EXPECT_TRUE(
      holds(error_of([&](auto& m) {
              artifact(m, 5).members()->emplace("requires", Json::Members{{"backend", "native"}});
            }),
            "a runtime has none"));
  EXPECT_TRUE(holds(error_of([&](auto& m) { at(artifact(m, 1), "target") = "x86-64-v3"; }),
                    "a second plan of that name for x86-64-v3"));
}

TEST(Manifest, TheTableOfBlobsIsExact) {
  const auto blob = [](Json::Members& m, std::size_t i) -> Json::Members& {
    return *(*at(m, "blobs").array())[i].members();
  };
  EXPECT_TRUE(holds(error_of([&](auto& m) { at(m, "blobs").array()->pop_back(); }),
                    "is referred to, but not in the table"));
  EXPECT_TRUE(
      holds(error_of([&](auto& m) {
              const Json stray = Json::Members{{"sha256", hex(sha256("stray"))}, {"bytes", 5}};
              at(m, "blobs").array()->push_back(stray);
            }),
            "nothing refers to"));
  EXPECT_TRUE(holds(
      error_of([&](auto& m) { at(m, "blobs").array()->push_back((*at(m, "blobs").array())[0]); }),
      "twice"));
  EXPECT_TRUE(holds(error_of([&](auto& m) { blob(m, 0)["bytes"] = -1; }), "an integer from 0"));
  EXPECT_TRUE(holds(error_of([&](auto& m) { blob(m, 0)["bytes"] = kMaxBlobBytes + 1; }),
                    "an integer from 0 to 17179869184"));
  EXPECT_TRUE(holds(error_of([&](auto& m) {
                      for (Json& one : *at(m, "blobs").array()) at(one, "bytes") = kMaxBlobBytes;
                    }),
                    "bytes together"));
  EXPECT_TRUE(holds(error_of([&](auto& m) {
                      for (Json& one : *at(m, "blobs").array()) at(one, "bytes") = 300 << 20;
                    }),
                    "sbom: 314572800 bytes"));
}

TEST(Manifest, AbsurdSizesAreRefusedBeforeTheyAreBelieved) {
  EXPECT_EQ(Manifest::parse(std::string(kMaxManifestBytes + 1, ' '), "m").error().code,
            Code::kExhausted);
  EXPECT_TRUE(holds(
      error_of([](auto& m) { m["artifacts"] = Json::Array(kMaxArtifacts + 1, artifact(m, 0)); }),
      "items; 256 at most"));
  EXPECT_TRUE(holds(error_of([](auto& m) {
                      at(m, "card").members()->at("summary") =
                          std::string(kMaxCardTextBytes + 1, 'x');
                    }),
                    "bytes of text"));
  Manifest manifest = test_manifest();
  manifest.goldens[0].absolute = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(manifest.validate().ok());
}

Device device_of(std::vector<std::string> targets) {
  return {std::move(targets), {"native", "litert"}, 1, {{"conv", 1}, {"softmax", 2}}};
}

TEST(Manifest, TheBestArtifactIsChosen) {
  const Manifest manifest = test_manifest();
  const auto target = [&](const Device& device) {
    const auto artifact = choose_artifact(manifest, device, "detector");
    return artifact.ok()
               ? (*artifact)->target + " " + std::string(artifact_kind_name((*artifact)->kind))
               : artifact.error().message;
  };
  EXPECT_EQ(target(device_of({"x86-64-v4", "x86-64-v3", "generic"})), "x86-64-v4 plan");
  EXPECT_EQ(target(device_of({"x86-64-v3", "generic"})), "x86-64-v3 plan");
  EXPECT_EQ(target(device_of({"arm64", "generic"})), "arm64 plan");
  EXPECT_EQ(target(device_of({"riscv64", "generic"})), "generic plan");
  // The device's own order decides: of backends first, then of targets.
  Device device = device_of({"x86-64-v3", "generic"});
  device.backends = {"litert", "native"};
  EXPECT_EQ(target(device), "generic tflite");
  // A plan that this runtime cannot run is no choice, whatever its target.
  device = device_of({"x86-64-v3", "generic"});
  device.operators["softmax"] = 1;
  EXPECT_EQ(target(device), "generic tflite");
}

TEST(Manifest, ADeviceThatNothingFitsIsTold) {
  const Manifest manifest = test_manifest();
  Device device = device_of({"x86-64-v3"});
  device.backends = {"native"};
  device.plan_format = 2;
  const auto none = choose_artifact(manifest, device, "detector");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::kIncompatible);
  EXPECT_EQ(
      none.error().message,
      "people-counter 1.4.0-rc.1: nothing of 'detector' runs on this device, which takes "
      "x86-64-v3 by native with plan format 2. The release has: plan for x86-64-v3 on native "
      "(needs plan format 1); plan for x86-64-v4 on native (another target); plan for arm64 "
      "on native (another target); plan for generic on native (another target); tflite for "
      "generic on litert (another target). Release it for this device, or update its runtime");
  EXPECT_EQ(choose_artifact(manifest, device, "tracker").error().code, Code::kNotFound);
  EXPECT_EQ(choose_artifacts(manifest, device_of({"x86-64-v3"})).error().code,
            Code::kIncompatible);  // no polderd for it
  const auto all = choose_artifacts(manifest, device_of({"arm64"})).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]->name, "detector");
  EXPECT_EQ(all[1]->name, "polderd");
  EXPECT_EQ(manifest.limits_of(*all[0]).latency_ms, 80.5);
  EXPECT_EQ(manifest.limits_of(*all[0]).memory_bytes, 64'000'000);
}

}  // namespace
}  // namespace polder::trust
