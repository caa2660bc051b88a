#include "release/sbom.h"

#include <gtest/gtest.h>

#include <set>

#include "trust/json.h"
#include "trust/testing_release.h"

namespace polder::release {
namespace {

using trust::Json;
using trust::Manifest;

Json parse(const std::string& bytes) { return Json::parse(bytes, "sbom").value(); }
const Json& at(const Json& json, std::initializer_list<std::string_view> names) {
  const Json* here = &json;
  for (const std::string_view name : names) {
    here = here->find(name);
    EXPECT_NE(here, nullptr) << name;
  }
  return *here;
}

std::string text_at(const Json& json, std::initializer_list<std::string_view> names) {
  return *at(json, names).string();
}
const Json::Array& list_at(const Json& json, std::initializer_list<std::string_view> names) {
  return *at(json, names).array();
}

TEST(Sbom, IsMadeAgainToTheByte) {
  const Manifest manifest = trust::test_manifest();
  const ModelPorts ports{{{"image", "f32 [1,3,8,8]"}}, {{"boxes", "f32 [1,4]"}}};
  const std::string bytes = sbom_bytes(manifest, ports);
  EXPECT_EQ(sbom_bytes(trust::test_manifest(), ports), bytes);
  Manifest with_sbom = manifest;
  with_sbom.sbom = trust::sha256("another");
  EXPECT_EQ(sbom_bytes(with_sbom, ports), bytes);
  // The number of another content is another; a UUID of version 8 (RFC 9562).
  Manifest changed = manifest;
  changed.card.summary += '.';
  const std::string serial = text_at(parse(bytes), {"serialNumber"});
  EXPECT_NE(text_at(parse(sbom_bytes(changed, ports)), {"serialNumber"}), serial);
  ASSERT_EQ(serial.size(), std::string_view("urn:uuid:").size() + 36);
  EXPECT_EQ(serial[9 + 14], '8');
  EXPECT_NE(std::string_view("89ab").find(serial[9 + 19]), std::string_view::npos);
}

TEST(Sbom, EveryFileHasAReferenceOfItsOwn) {
  const Manifest manifest = trust::test_manifest();
  const Json document = parse(sbom_bytes(manifest, {}));
  std::set<std::string> references, hashes;
  for (const Json& component : list_at(document, {"components"})) {
    EXPECT_TRUE(references.insert(text_at(component, {"bom-ref"})).second);
    hashes.insert(text_at(list_at(component, {"hashes"})[0], {"content"}));
  }
  // Artifacts, the pipeline and its file.
  EXPECT_EQ(references.size(), manifest.artifacts.size() + 2);
  for (const trust::Artifact& artifact : manifest.artifacts) {
    EXPECT_TRUE(hashes.contains(trust::hex(artifact.blob))) << artifact.target;
  }
  EXPECT_TRUE(hashes.contains(trust::hex(manifest.pipeline->blob)));
  const Json& needs = list_at(document, {"dependencies"})[0];
  EXPECT_EQ(text_at(needs, {"ref"}), text_at(document, {"metadata", "component", "bom-ref"}));
  std::set<std::string> needed;
  for (const Json& reference : list_at(needs, {"dependsOn"})) needed.insert(*reference.string());
  EXPECT_EQ(needed, references);
}

TEST(Sbom, SaysWhatIsSealedWhatIsAProgramAndWhereItComesFrom) {
  const Manifest manifest = trust::test_manifest();
  const std::string bytes = sbom_bytes(manifest, {});
  const Json document = parse(bytes);
  int programs = 0;
  for (const Json& component : list_at(document, {"components"})) {
    programs += text_at(component, {"type"}) == "application";
  }
  EXPECT_EQ(programs, 1);
  EXPECT_NE(bytes.find(trust::hex(manifest.artifacts[2].sealed->sha256)), std::string::npos);
  const Json& subject = at(document, {"metadata", "component"});
  const Json& ancestor = list_at(subject, {"pedigree", "ancestors"})[0];
  EXPECT_EQ(text_at(ancestor, {"version"}), "1.3.9");
  EXPECT_EQ(text_at(list_at(ancestor, {"properties"})[0], {"value"}),
            trust::hex(trust::sha256("parent")));
  EXPECT_EQ(text_at(document, {"metadata", "timestamp"}), "2027-01-15T08:00:00Z");
}

TEST(Sbom, SaysNothingOfWhatIsNotKnown) {
  Manifest manifest;
  manifest.model = "m";
  manifest.licence = "MIT";
  const Json document = parse(sbom_bytes(manifest, {}));
  const Json& subject = at(document, {"metadata", "component"});
  EXPECT_EQ(subject.find("description"), nullptr);
  EXPECT_EQ(subject.find("pedigree"), nullptr);
  EXPECT_TRUE(at(subject, {"modelCard"}).members()->empty());
  EXPECT_TRUE(list_at(document, {"components"}).empty());
}

}  // namespace
}  // namespace polder::release
