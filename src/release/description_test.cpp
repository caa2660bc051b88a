#include "release/description.h"

#include "base/fail.h"

#include "release/testing.h"

namespace polder::release {
namespace {

constexpr std::string_view kHead =
    "model = \"m\"\nversion = \"1.0.0\"\nlicence = \"MIT\"\n"
    "[[artifact]]\nname = \"a\"\nfile = \"a.plan\"\n";

Result<Description> parse(std::string_view more) {
  return parse_description(std::string(kHead) + std::string(more), "in/r.toml");
}

TEST(Description, TheLeastIsAModelAndAnArtifact) {
  const Description description = parse("").value();
  EXPECT_EQ(description.model, "m");
  EXPECT_EQ(description.version.text(), "1.0.0");
  EXPECT_EQ(description.file, "in/r.toml");
  EXPECT_EQ(description.folder, "in/");
  ASSERT_EQ(description.artifacts.size(), 1u);
  EXPECT_EQ(description.artifacts[0].place.find("in/r.toml:5"), 0u);
  EXPECT_FALSE(description.artifacts[0].kind);
  EXPECT_FALSE(description.limits.latency_ms);
  EXPECT_TRUE(description.pipeline.empty());
  // Beside us there is no folder to name.
  EXPECT_EQ(parse_description(kHead, "r.toml")->folder, "");
}

TEST(Description, EverySectionIsRead) {
  const std::string digest(64, 'a');
  const Description all =
      parse(
          "kind = \"runtime\"\ntarget = \"arm64\"\nbackend = \"litert\"\nsealed = \"a.sealed\"\n"
          "latency_ms = 2.5\nmemory_bytes = 7\n"
          "[pipeline]\nfile = \"p.toml\"\nfiles = [\"x\", \"y\"]\n"
          "[limits]\nlatency_ms = 20\nmemory_bytes = 9\n"
          "[[golden]]\nname = \"g\"\nartifact = \"a\"\ninputs = [\"i\"]\noutputs = [\"o\"]\n"
          "absolute = 0.5\nrelative = 0.25\n"
          "[[golden]]\nname = \"h\"\nartifact = \"a\"\nseed = 4294967295\n"
          "[lineage]\nrecipe = \"r\"\n"
          "[[lineage.parent]]\nmanifest = \"before.json\"\n"
          "[[lineage.parent]]\nmodel = \"n\"\nversion = \"0.1.0\"\nsha256 = \"" +
          digest +
          "\"\n"
          "[[lineage.dataset]]\nname = \"d\"\nsha256 = \"" +
          digest + "\"\n")
          .value();
  const ArtifactFile& artifact = all.artifacts[0];
  EXPECT_EQ(artifact.kind, trust::ArtifactKind::kRuntime);
  EXPECT_EQ(artifact.target, "arm64");
  EXPECT_EQ(artifact.backend, "litert");
  EXPECT_EQ(artifact.sealed, "a.sealed");
  EXPECT_EQ(artifact.limits.latency_ms, 2.5);
  EXPECT_EQ(artifact.limits.memory_bytes, 7);
  EXPECT_EQ(all.limits.latency_ms, 20.0);
  EXPECT_EQ(all.limits.memory_bytes, 9);
  EXPECT_EQ(all.pipeline, "p.toml");
  EXPECT_EQ(all.pipeline_files, (std::vector<std::string>{"x", "y"}));
  ASSERT_EQ(all.goldens.size(), 2u);
  EXPECT_EQ(all.goldens[0].absolute, 0.5);
  EXPECT_EQ(all.goldens[0].relative, 0.25);
  EXPECT_FALSE(all.goldens[0].seed);
  EXPECT_EQ(all.goldens[1].seed, 4294967295);
  EXPECT_EQ(all.goldens[1].absolute, 1e-4);
  EXPECT_EQ(all.goldens[1].relative, 1e-3);
  ASSERT_EQ(all.parents.size(), 2u);
  EXPECT_EQ(all.parents[0].manifest, "before.json");
  EXPECT_EQ(all.parents[1].parent.model, "n");
  EXPECT_EQ(trust::hex(all.parents[1].parent.manifest), digest);
  EXPECT_EQ(trust::hex(all.datasets[0].dataset.sha256), digest);
  EXPECT_EQ(all.recipe, "r");
}

TEST(Description, WhatContradictsItselfIsRefusedWithItsLine) {
  const std::string golden = "[[golden]]\nname = \"g\"\nartifact = \"a\"\n";
  const std::string parent = "[[lineage.parent]]\n", digest = "sha256 = \"" + std::string(64, 'a');
  const std::string dataset = "[[lineage.dataset]]\nname = \"d\"\n";
  for (const auto& [more, words] : std::vector<std::pair<std::string, std::string>>{
           {golden + "inputs = [\"i\"]\nseed = 1\n",
            "r.toml:8: [[golden]]: 'inputs' and 'seed': one of them"},
           {golden + "seed = 4294967296\n", "seed"},
           {golden + "seed = 1\nrelative = 1.5\n", "relative"},
           {golden + "seed = 1\nabsolute = -0.5\n", "absolute"},
           {parent, "either 'manifest', or 'model', 'version' and 'sha256'"},
           {parent + "model = \"n\"\nversion = \"1.0.0\"\n", "either 'manifest', or"},
           {parent + "manifest = \"x\"\nmodel = \"n\"\n", "either 'manifest', or"},
           {parent + "model = \"n\"\nversion = \"1\"\n" + digest + "\"\n", "a version such as"},
           {parent + "model = \"n\"\nversion = \"1.0.0\"\n" + digest + "a\"\n", "64 hexadecimal"},
           {parent + "model = \"n\"\nversion = \"1.0.0\"\nsha256 = \"" + std::string(64, 'g') +
                "\"\n",
            "64 hexadecimal"},
           {dataset + "file = \"x\"\n" + digest + "\"\n", "either 'file' or 'sha256'"},
           {"kind = \"tflight\"\n", "plan|tflite|onnx|runtime"},
           {"target = \"arm65\"\n", "generic|x86-64-v3|x86-64-v4|arm64"},
           {"[[baseline]]\nsignal = \"s\"\nkind = \"input\"\nedges = [1]\ncounts = [-1]\n",
            "counts"},
       }) {
    SCOPED_TRACE(more);
    expect_error(parse(more), Code::kInvalid, {"in/r.toml:", words});
  }
}

TEST(Description, ThereAreNoMoreSectionsThanAManifestHolds) {
  const auto times = [](std::size_t count, std::string_view section) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += section;
    return text;
  };
  const std::string_view metric = "[[card.metric]]\nname = \"m\"\nvalue = 1\n";
  EXPECT_EQ(parse(times(trust::kMaxMetrics, metric))->card.metrics.size(), trust::kMaxMetrics);
  for (const auto& [cap, section] : std::vector<std::pair<std::size_t, std::string_view>>{
           {trust::kMaxMetrics, metric},
           {trust::kMaxArtifacts - 1, "[[artifact]]\nname = \"a\"\nfile = \"f\"\n"},
           {trust::kMaxGoldens, "[[golden]]\nname = \"g\"\nartifact = \"a\"\nseed = 1\n"},
           {trust::kMaxBaselines, "[[baseline]]\nsignal = \"s\"\n"},
           {trust::kMaxLineage, "[[lineage.parent]]\nmanifest = \"m\"\n"},
           {trust::kMaxLineage, "[[lineage.dataset]]\nname = \"d\"\nfile = \"f\"\n"}}) {
    SCOPED_TRACE(section);
    const std::string_view heading = section.substr(0, section.find('\n'));
    expect_error(parse(times(cap + 1, section)), Code::kExhausted, {"in/r.toml:", heading});
  }
}

using DescriptionFile = ReleaseTest;

TEST_F(DescriptionFile, ErrorsNameTheFile) {
  expect_error(read_description(path("none.toml")), Code::kNotFound, {"none.toml"});
  expect_error(read_description(path(".")), Code::kInvalid, {path(".")});
  expect_error(read_description(write("bad.toml", "model = \n")), Code::kCorrupt, {"bad.toml:1"});
  expect_error(read_description(write("big.toml", std::string(300'000, '#'))), Code::kExhausted,
               {"big.toml"});
  const std::string good = write("good.toml", kHead);
  EXPECT_EQ(read_description(good)->folder, path(""));
}

// The reference is of the tables that files are checked against.
TEST(Description, TheReferenceHasEveryKeyThatIsTaken) {
  const std::string page = description_reference();
  for (const char* key : {"licence", "sealed", "memory_bytes", "files", "seed", "counts", "recipe",
                          "manifest", "intended_use", "slice"}) {
    EXPECT_NE(page.find(fmt::format("`{}`", key)), std::string::npos) << key;
  }
  for (const char* section : {"[[artifact]]", "[[golden]]", "[[lineage.parent]]", "[card]"}) {
    EXPECT_NE(page.find(fmt::format("\n## {}\n", section)), std::string::npos) << section;
  }
}

}  // namespace
}  // namespace polder::release
