#include "release/blob_writer.h"

#include "base/toml.h"
#include "release/create.h"
#include "release/testing.h"
#include "trust/chunks.h"
#include "trust/reseal.h"

namespace polder::release {
namespace {

class BlobWriterTest : public ReleaseTest {
 protected:
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "release")) {
      count += entry.is_regular_file();
    }
    return count;
  }
  trust::Manifest manifest_;
  BlobWriter blobs_{path("release"), manifest_};
  // Of models that have no plan nobody asks.
  const OpenArtifact open_ = [](const trust::Artifact&) {
    return fail(Code::kUnsupported, "no plan");
  };
};

TEST_F(BlobWriterTest, TheSameContentIsThereOnce) {
  std::filesystem::create_directories(path("release"));
  const auto first = blobs_.put_file(write("a", "content"), 100).value();
  EXPECT_EQ(first, trust::sha256("content"));
  EXPECT_EQ(blobs_.put_file(write("b", "content"), 100).value(), first);
  EXPECT_EQ(blobs_.put_bytes("content").value(), first);
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(read_file(blobs_.path_of(first), 100).value(), "content");
  ASSERT_EQ(manifest_.blobs.size(), 1u);
  EXPECT_EQ(manifest_.blobs.at(first).bytes, 7);
  const auto empty = blobs_.put_bytes("").value();
  EXPECT_EQ(manifest_.blobs.at(empty).bytes, 0);
  EXPECT_EQ(read_file(blobs_.path_of(empty), 100).value(), "");
  EXPECT_EQ(files(), 2u);
}

TEST_F(BlobWriterTest, ErrorsNameThePathAndLeaveNoBlob) {
  expect_error(blobs_.put_file(path("none"), 100), Code::kNotFound, {path("none")});
  expect_error(blobs_.put_file(folder_.string(), 100), Code::kInvalid, {folder_.string()});
  expect_error(blobs_.put_file(write("large", "12345678"), 7), Code::kExhausted, {path("large")});
  EXPECT_TRUE(manifest_.blobs.empty());
  EXPECT_TRUE(blobs_.put_file(path("large"), 8));
  // A file where the folder of blobs is to be.
  write("taken", "");
  trust::Manifest other;
  BlobWriter nowhere(path("taken"), other);
  expect_error(nowhere.put_bytes("x"), Code::kNotFound, {path("taken")});
  expect_error(nowhere.put_file(path("large"), 8), Code::kNotFound, {path("taken")});
}

TEST_F(BlobWriterTest, LargeFilesGetAnIndexOfTheirContent) {
  std::string content(std::size_t(kUnindexedBytes), 'a');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = char(i * i >> 7);
  const auto small = blobs_.put_file(write("small", content), 1 << 30).value();
  ASSERT_TRUE(blobs_.put_index(small, {}, false));
  EXPECT_FALSE(manifest_.blobs.at(small).chunks);
  content += 'b';
  const auto large = blobs_.put_file(write("large", content), 1 << 30).value();
  const std::uint64_t cuts[] = {100'000};
  ASSERT_TRUE(blobs_.put_index(large, cuts, false));
  ASSERT_TRUE(manifest_.blobs.at(large).chunks);
  const trust::Sha256 index = *manifest_.blobs.at(large).chunks;
  const std::string bytes = read_file(blobs_.path_of(index), 1 << 20).value();
  EXPECT_EQ(manifest_.blobs.at(index).bytes, std::int64_t(bytes.size()));
  const auto parsed = trust::ChunkIndex::parse(bytes, "index").value();
  EXPECT_EQ(parsed.file_bytes(), content.size());
  bool cut = false;
  for (const trust::Chunk& chunk : parsed.chunks()) {
    cut = cut || chunk.offset == cuts[0];
    EXPECT_TRUE(chunk.check(content.substr(chunk.offset, chunk.size)));
  }
  EXPECT_TRUE(cut);
  // It has one already: nothing is read again.
  ASSERT_EQ(std::remove(blobs_.path_of(large).c_str()), 0);
  EXPECT_TRUE(blobs_.put_index(large, {}, false));
  trust::Manifest other;
  BlobWriter fresh(path("other"), other);
  const auto sealed = fresh.put_bytes(content).value();
  ASSERT_TRUE(fresh.put_index(sealed, {}, true));
  const std::string segments =
      read_file(fresh.path_of(*other.blobs.at(sealed).chunks), 1 << 20).value();
  EXPECT_EQ(segments, trust::sealed_chunks(content).bytes());
  const auto gone = fresh.put_bytes(content + "c").value();
  ASSERT_EQ(std::remove(fresh.path_of(gone).c_str()), 0);
  expect_error(fresh.put_index(gone, {}, false), Code::kNotFound, {fresh.path_of(gone)});
}

constexpr std::string_view kPipeline = R"(
[pipeline]
name = "levels"
[[node]]
name = "microphone"
type = "wav_file"
path = "speech.wav"
[[node]]
name = "window"
type = "audio_window"
inputs = ["microphone"]
[[node]]
name = "infer"
type = "infer"
inputs = ["window"]
model = "scorer"
[[node]]
name = "speech"
type = "vad_smooth"
inputs = ["infer"]
[[node]]
name = "events"
type = "json_lines"
inputs = ["speech"]
path = "events.jsonl"
)";

TEST_F(BlobWriterTest, PipelinesTellWhatTheyReadFrom) {
  const std::string file = write("p.toml", kPipeline);
  trust::Artifact scorer;
  scorer.name = "scorer";
  scorer.kind = trust::ArtifactKind::kTflite;
  manifest_.artifacts = {scorer};
  const auto sources = check_pipeline(file, "p.toml", manifest_, open_).value();
  ASSERT_EQ(sources.size(), 1u);  // what is written is no source
  EXPECT_EQ(sources[0].setting, "microphone.path");
  EXPECT_EQ(sources[0].path, "speech.wav");
}

TEST_F(BlobWriterTest, PipelinesRunModelsOfTheRelease) {
  const std::string file = write("p.toml", kPipeline);
  trust::Artifact agent, other;
  agent.name = "scorer";  // a program is no model, whatever its name
  agent.kind = trust::ArtifactKind::kRuntime;
  other.name = "other";
  manifest_.artifacts = {agent, other, other};
  expect_error(check_pipeline(file, "p.toml", manifest_, open_), Code::kInvalid,
               {"p.toml:16", "'model' is 'scorer'", "name: 'scorer', 'other'"});
  expect_error(check_pipeline(path("none"), "p.toml", manifest_, open_), Code::kNotFound,
               {path("none")});
  write("p.toml", "[pipeline\n");
  expect_error(check_pipeline(file, "p.toml", manifest_, open_), Code::kCorrupt, {"p.toml:1"});
  write("p.toml", std::string(kMaxTomlBytes + 1, '\n'));
  expect_error(check_pipeline(file, "p.toml", manifest_, open_), Code::kExhausted, {file});
}

}  // namespace
}  // namespace polder::release
