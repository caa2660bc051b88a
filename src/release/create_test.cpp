// What makes a release of a description; tests/e2e/release_test.py has what the command makes of
// it, and most of what can be wrong with a description.
#include "release/create.h"

#include "release/testing.h"
#include "trust/sealed_file.h"

namespace polder::release {
namespace {

class CreateTest : public ReleaseTest {
 protected:
  Description describe(std::string_view more, std::string_view artifact = "file = \"m.plan\"\n") {
    const std::string text = std::string(
                                 "model = \"m\"\nversion = \"1.0.0\"\nlicence = \"MIT\"\n"
                                 "[[artifact]]\nname = \"a\"\n") +
                             std::string(artifact) + std::string(more);
    return read_description(write("r.toml", text)).value();
  }
  Result<CreatedRelease> create(const Description& description) {
    return create_release(description, path("release"), {.created_s = 5, .make_goldens = true});
  }
  // That it is refused, and neither the folder nor a part of it is left.
  void refuses(const Description& description, Code code,
               std::initializer_list<std::string_view> words) {
    expect_error(create(description), code, words);
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      EXPECT_FALSE(entry.is_directory()) << entry.path();
    }
  }
};

TEST_F(CreateTest, IsWholeAndReadAgain) {
  write_plan("m.plan", test_graph());
  const auto made =
      create(describe("[[golden]]\nname = \"g\"\nartifact = \"a\"\nseed = 3\n")).value();
  EXPECT_EQ(made.release.folder, path("release"));
  EXPECT_EQ(made.release.manifest.created_s, 5);
  EXPECT_TRUE(trust::check_release(trust::open_release(path("release")).value())->empty());
  EXPECT_TRUE(made.unset.empty());
  ASSERT_EQ(made.goldens.size(), 1u);
  EXPECT_EQ(made.goldens[0].outcome, GoldenOutcome::kHeld) << made.goldens[0].reason;
  // A small file has no index, a large one has.
  const trust::Manifest& small = made.release.manifest;
  EXPECT_FALSE(small.blobs.at(small.artifacts[0].blob).chunks);
  std::filesystem::remove_all(path("release"));
  write_plan("m.plan", test_graph(20));
  const auto large = create(describe("")).value().release.manifest;
  EXPECT_TRUE(large.blobs.at(large.artifacts[0].blob).chunks);
}

TEST_F(CreateTest, WritesOverNothing) {
  write_plan("m.plan", test_graph());
  const Description description = describe("");
  std::filesystem::create_directory(path("release"));
  expect_error(create(description), Code::kDenied, {path("release")});
  EXPECT_TRUE(std::filesystem::is_empty(path("release")));
  expect_error(create_release(description, path("none/release"), {}), Code::kNotFound, {"none"});
}

TEST_F(CreateTest, GoldensFitTheModel) {
  write_plan("m.plan", test_graph());
  const std::string golden = "[[golden]]\nname = \"g\"\nartifact = \"a\"\n";
  write("text.npy", "no tensor");
  refuses(describe(golden + "inputs = [\"text.npy\"]\n"), Code::kCorrupt,
          {"r.toml:8", path("text.npy")});
  refuses(describe(golden + "seed = 1\noutputs = [\"a.npy\", \"b.npy\"]\n"), Code::kInvalid,
          {"2 output file(s) for a model with 1"});
  // Names that the manifest refuses are named with the description.
  refuses(describe(golden + "seed = 1\n" + golden + "seed = 2\n"), Code::kInvalid,
          {path("r.toml"), "'g'"});
  // Nothing is recorded without leave.
  expect_error(create_release(describe(golden + "seed = 1\n"), path("release"), {}), Code::kInvalid,
               {"--make-goldens"});
}

TEST_F(CreateTest, FilesOfAPipelineHaveTheirOwnNames) {
  write_plan("m.plan", test_graph());
  write("p.toml",
        "[pipeline]\nname = \"p\"\n[[node]]\nname = \"w\"\ntype = \"wav_file\"\npath = \"x\"\n"
        "[[node]]\nname = \"a\"\ntype = \"audio_window\"\ninputs = [\"w\"]\n"
        "[[node]]\nname = \"i\"\ntype = \"infer\"\ninputs = [\"a\"]\nmodel = \"a\"\n"
        "[[node]]\nname = \"v\"\ntype = \"vad_smooth\"\ninputs = [\"i\"]\n"
        "[[node]]\nname = \"e\"\ntype = \"json_lines\"\ninputs = [\"v\"]\npath = \"y\"\n");
  std::filesystem::create_directory(path("sub"));
  write("x", "1");
  write("sub/x", "2");
  const std::string pipeline = "[pipeline]\nfile = \"p.toml\"\n";
  expect_error(create(describe(pipeline + "files = [\"x\", \"sub/x\"]\n")), Code::kInvalid,
               {"two files are called 'x'"});
  expect_error(create(describe(pipeline + "files = [\"none\"]\n")), Code::kNotFound,
               {path("none")});
  write("large.toml", std::string(std::size_t(trust::kMaxPipelineBytes) + 1, '\n'));
  expect_error(create(describe("[pipeline]\nfile = \"large.toml\"\n")), Code::kExhausted,
               {path("large.toml")});
  EXPECT_FALSE(std::filesystem::exists(path("release")));
  EXPECT_EQ(create(describe(pipeline)).value().unset, std::vector<std::string>{"w.path"});
  std::filesystem::remove_all(path("release"));
  EXPECT_TRUE(create(describe(pipeline + "files = [\"sub/x\"]\n")).value().unset.empty());
}

// A device would find out, and no golden would: the model is sound, the step is not its own.
TEST_F(CreateTest, APipelineFitsThePlansOfItsModels) {
  write_plan("m.plan", test_graph());
  const auto with = [&](const std::string& more) {
    write("p.toml",
          "[pipeline]\nname = \"p\"\n[[node]]\nname = \"w\"\ntype = \"wav_file\"\npath = \"x\"\n"
          "[[node]]\nname = \"a\"\ntype = \"audio_window\"\ninputs = [\"w\"]\n"
          "[[node]]\nname = \"i\"\ntype = \"infer\"\ninputs = [\"a\"]\nmodel = \"a\"\n" +
              more +
              "[[node]]\nname = \"v\"\ntype = \"vad_smooth\"\ninputs = [\"i\"]\n"
              "[[node]]\nname = \"e\"\ntype = \"json_lines\"\ninputs = [\"v\"]\npath = \"y\"\n");
    return describe("[pipeline]\nfile = \"p.toml\"\n");
  };
  refuses(with("constants = { sr = 16000 }\n"), Code::kInvalid,
          {"artifact 'a' for generic", "p.toml:16", "the model has no input 'sr'; it has 'x'",
           "--bind"});
  refuses(with("carry = [\"y:state\"]\n"), Code::kInvalid, {"no input 'state'"});
  refuses(with("constants = { x = 1 }\n"), Code::kInvalid, {"the pipeline feeds one input"});
  EXPECT_TRUE(create(with("")).ok());
}

TEST_F(CreateTest, ProgramsAreForAMachine) {
  write("polderd", std::string("\x7f"
                               "ELF and so on"));
  const std::string file = "file = \"polderd\"\n";
  refuses(describe("", file + "target = \"generic\"\n"), Code::kInvalid,
          {"r.toml:5", "'target' must say"});
  refuses(describe("", file + "kind = \"plan\"\n"), Code::kInvalid,
          {"a runtime by its first bytes, not a plan"});
  const auto made = create(describe("", file + "target = \"arm64\"\n")).value().release.manifest;
  EXPECT_EQ(made.artifacts[0].kind, trust::ArtifactKind::kRuntime);
  EXPECT_EQ(made.artifacts[0].target, "arm64");
}

TEST_F(CreateTest, ParentsAreReadFromTheirManifests) {
  write_plan("m.plan", test_graph());
  const auto before = create(describe("")).value();
  std::filesystem::rename(path("release"), path("before"));
  const auto after =
      create(describe("[[lineage.parent]]\nmanifest = \"before/manifest.json\"\n")).value();
  ASSERT_EQ(after.release.manifest.lineage.parents.size(), 1u);
  const trust::Parent& parent = after.release.manifest.lineage.parents[0];
  EXPECT_EQ(parent.model, "m");
  EXPECT_EQ(parent.manifest, before.release.digest());
  std::filesystem::remove_all(path("release"));
  std::filesystem::remove_all(path("before"));
  write("bad.json", "{}");
  refuses(describe("[[lineage.parent]]\nmanifest = \"bad.json\"\n"), Code::kCorrupt,
          {path("bad.json")});
  refuses(describe("[[lineage.dataset]]\nname = \"d\"\nfile = \"none\"\n"), Code::kNotFound,
          {path("none")});
}

TEST_F(CreateTest, ASealedFileIsOfItsModel) {
  const std::string plan = write_plan("m.plan", test_graph());
  const auto seal = [&](const std::string& from, const std::string& to) {
    DiskStore disk;
    const auto input = open_readable(path(from)).value();
    const auto output = disk.create(path(to)).value();
    const auto key = trust::seal_file(*input, *output).value();
    EXPECT_TRUE(output->commit());
    write(to + ".keys", trust::SealedKeys(key).bytes());
    ASSERT_EQ(trust::sealed_keys_path(path(to)), path(to + ".keys"));
  };
  seal("m.plan", "m.sealed");
  const Description sealed = describe("", "file = \"m.plan\"\nsealed = \"m.sealed\"\n");
  const auto made = create(sealed).value().release.manifest;
  ASSERT_TRUE(made.artifacts[0].sealed);
  EXPECT_EQ(made.artifacts[0].sealed->sha256, trust::sha256(read("m.plan")));
  EXPECT_EQ(made.artifacts[0].blob, trust::sha256(read("m.sealed")));
  std::filesystem::remove_all(path("release"));
  // Of another file, with the keys of another, without any, not sealed at all.
  write("other", "short");
  seal("other", "other.sealed");
  refuses(describe("", "file = \"m.plan\"\nsealed = \"other.sealed\"\n"), Code::kInvalid,
          {"r.toml:5", path("other.sealed"), "sealed from 5 bytes"});
  const std::string keys = read("m.sealed.keys");
  write("m.sealed.keys", read("other.sealed.keys"));
  refuses(sealed, Code::kInvalid, {path("m.sealed.keys"), "not the keys of"});
  write("m.sealed.keys", keys.substr(0, keys.size() - 1));
  refuses(sealed, Code::kCorrupt, {path("m.sealed.keys")});
  std::filesystem::remove(path("m.sealed.keys"));
  refuses(sealed, Code::kNotFound, {path("m.sealed.keys")});
  write("m.sealed", read("m.plan"));
  refuses(sealed, Code::kCorrupt, {"m.sealed"});
}

}  // namespace
}  // namespace polder::release
