// A whole pipeline on pictures made here: a bright block walks over a grey square, a fake model
// sees it, and every kind of output is checked.
#include "pipeline/player.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "base/fail.h"
#include "base/text.h"
#include "pipeline/imaging/encode.h"
#include "pipeline/stats_json.h"

namespace polder::pipeline {
namespace {

constexpr int kFrames = 24, kWidth = 96, kHeight = 64;

std::string frame_jpeg(int frame) {
  Image image;
  image.resize(kWidth, kHeight);
  std::ranges::fill(image.pixels, std::uint8_t(60));
  const int left = 4 + 3 * frame;
  for (int y = 20; y < 44; ++y)
    for (int x = left; x < std::min(left + 12, kWidth); ++x)
      std::fill_n(&image.pixels[std::size_t(y * image.stride + x * 3)], 3, std::uint8_t(250));
  return *encode_jpeg(image, 95);
}

// Finds the bounds of what is bright: one YOLO v5 row.
class BrightBlock final : public Executor {
 public:
  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  Status run(std::span<const TensorView> inputs) override {
    const Shape& shape = inputs[0].shape;
    const auto h = int(shape[1]), w = int(shape[2]);
    int left = w, right = -1, top = h, bottom = -1;
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        if (inputs[0].as<float>()[(y * w + x) * 3] > 160) {
          left = std::min(left, x), right = std::max(right, x + 1);
          top = std::min(top, y), bottom = std::max(bottom, y + 1);
        }
    const float found = right > 0 ? 0.9F : 0.0F;
    const float row[6] = {float(left + right) / 2,
                          float(top + bottom) / 2,
                          float(right - left),
                          float(bottom - top),
                          found,
                          1};
    std::ranges::copy(row, row_);
    return {};
  }
  TensorView output(int) const override {
    return {const_cast<float*>(row_), DataType::kF32, Shape{1, 1, 6}};
  }

 private:
  float row_[6] = {};
  std::vector<Port> inputs_{{"image", DataType::kF32, Shape{1, -1, -1, 3}, Shape{1, 64, 96, 3}}};
  std::vector<Port> outputs_{{"rows", DataType::kF32, Shape{1, 1, 6}, Shape{1, 1, 6}}};
};

constexpr const char* kPipeline = R"([pipeline]
name = "block"
[[node]]
name = "camera"
type = "image_folder"
path = "frames"
[[node]]
name = "tile"
type = "tile"
size = [64, 64]
columns = 2
inputs = "camera"
every = 2
[[node]]
name = "normalise"
type = "normalise"
scale = 1
inputs = "tile"
[[node]]
name = "infer"
type = "infer"
model = "block.model"
inputs = "normalise"
[[node]]
name = "detect"
type = "yolo_decode"
layout = "v5"
inputs = "infer"
[[node]]
name = "track"
type = "track"
min_hits = 1
inputs = "detect"
[[node]]
name = "line"
type = "line"
from = [48, 64]
to = [48, 0]
inputs = "track"
[[node]]
name = "events"
type = "json_lines"
inputs = ["line", "track"]
[[node]]
name = "report"
type = "html_report"
title = "A <block> & a line"
inputs = ["camera", "track", "line"]
privacy = { raw = "allow: a drawing" }
)";

[[maybe_unused]] constexpr const char* kVideoSink = R"([[node]]
name = "video"
type = "annotated_video"
inputs = ["camera", "track", "line"]
privacy = { raw = "allow: a drawing" }
)";

class PlayerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/polder_player_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    ASSERT_TRUE(make_folders(folder_ + "/frames").ok());
    for (int i = 0; i < kFrames; ++i)
      ASSERT_TRUE(
          write_file_atomic(fmt::format("{}/frames/{:03}.jpg", folder_, i), frame_jpeg(i)).ok());
    options_.file = folder_ + "/p.toml";
    options_.output_folder = folder_ + "/out";
    options_.open_model = [](const ModelRequest& request) -> Result<std::unique_ptr<Executor>> {
      if (!request.path.ends_with("block.model"))
        return fail(Code::kNotFound, "{}: no such model", request.path);
      return std::unique_ptr<Executor>(std::make_unique<BrightBlock>());
    };
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<RunStats> run(const std::string& toml) {
    if (Status status = write_file_atomic(options_.file, toml); !status.ok())
      return std::move(status).error();
    return play(options_);
  }
  std::string output(const std::string& name) {
    auto text = read_file(options_.output_folder + "/" + name, 1 << 24);
    return text.ok() ? *text : text.error().message;
  }
  std::vector<std::string> outputs() {
    auto paths = list_folder(options_.output_folder, 100);
    return paths.ok() ? *paths : std::vector<std::string>();
  }
  std::string folder_;
  PlayOptions options_;
};

TEST_F(PlayerTest, CountsTheCrossingOnce) {
  const auto stats = run(kPipeline);
  ASSERT_TRUE(stats.ok()) << stats.error().message;
  EXPECT_EQ(stats->frames, std::uint64_t(kFrames));
  EXPECT_TRUE(stats->problems.empty());
  const std::string events = output("events.jsonl");
  const std::size_t cross = events.find("\"event\":\"cross\"");
  ASSERT_NE(cross, std::string::npos) << events;
  EXPECT_EQ(events.find("\"event\":\"cross\"", cross + 1), std::string::npos);
  EXPECT_NE(events.find("\"direction\":\"in\""), std::string::npos);
  EXPECT_EQ(std::ranges::count(events, '\n'), kFrames + 1);
  // The middle of the block, 10 + 3 * frame, is 4 pixels beyond the line from frame 15 on.
  EXPECT_NE(events.find("\"frame\":15,\"event\":\"cross\""), std::string::npos) << events;
  EXPECT_NE(summary_text(*stats).find("line in"), std::string::npos);
  EXPECT_EQ(stats->traffic.event_bytes, events.size());
  EXPECT_NE(summary_text(*stats).find(fmt::format("events {}", bytes_text(events.size()))),
            std::string::npos);
}

TEST_F(PlayerTest, SameBytesForAnyThreads) {
  std::string expected;
  for (const int threads : {1, 2, 3, 2}) {
    options_.threads = threads;
    const auto stats = run(kPipeline);
    ASSERT_TRUE(stats.ok()) << stats.error().message;
    if (expected.empty()) expected = output("events.jsonl");
    EXPECT_EQ(output("events.jsonl"), expected) << threads;
  }
}

// A decoder of another head would find nothing, without a word.
TEST_F(PlayerTest, ClassesThatTheLabelsDoNotNameAreAnError) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/labels.txt", "block\nball\n").ok());
  std::string toml(kPipeline);
  toml.insert(toml.find("layout = \"v5\""), "labels = \"labels.txt\"\n");
  const auto stats = run(toml);
  ASSERT_FALSE(stats.ok());
  EXPECT_NE(stats.error().message.find("1 classes, and the labels name 2"), std::string::npos)
      << stats.error().message;
}

// Tiling takes 250 ms of virtual time, behind an edge that keeps only the latest of frames that
// come every 100 ms; the report waits for the frames that get through.
TEST_F(PlayerTest, SameBytesForAnyThreadsWhenEdgesDrop) {
  std::string toml(kPipeline);
  toml.insert(toml.find("columns = 2"), "cost_us = 250000\n");
  toml += "[[edge]]\nfrom = \"camera\"\nto = \"tile\"\npolicy = \"latest\"\n";
  toml += "[[edge]]\nfrom = \"camera\"\nto = \"report\"\ncapacity = 32\n";
  std::string expected;
  for (const int threads : {1, 2, 3}) {
    options_.threads = threads;
    const auto stats = run(toml);
    ASSERT_TRUE(stats.ok()) << stats.error().message;
    if (expected.empty()) expected = output("events.jsonl");
    EXPECT_EQ(output("events.jsonl"), expected) << threads;
    EXPECT_LT(std::ranges::count(expected, '\n'), kFrames);
    for (const NodeStats& node : stats->nodes)
      EXPECT_EQ(node.drops[std::size_t(DropReason::kSuperseded)] > 0, node.name == "tile");
  }
}

TEST_F(PlayerTest, ReportStandsAlone) {
  ASSERT_TRUE(run(kPipeline).ok());
  const std::string page = output("report.html");
  EXPECT_NE(page.find("<title>A &lt;block&gt; &amp; a line</title>"), std::string::npos);
  EXPECT_NE(page.find("\"trails\":[{\"id\":1,"), std::string::npos);
  EXPECT_NE(page.find("\"marks\":[{"), std::string::npos);
  EXPECT_NE(page.find("\"event\":\"cross\""), std::string::npos);
  EXPECT_EQ(page.find("@DATA@"), std::string::npos);
  for (const char* outside : {"http://", "https://", "<link", "src=\"", "@import"})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

TEST_F(PlayerTest, AFullDiskIsOneErrorAndLeavesNothing) {
  MemoryStore disk(1500);
  options_.files = &disk;
  const auto stats = run(kPipeline);
  ASSERT_FALSE(stats.ok());
  EXPECT_EQ(stats.error().code, Code::kExhausted) << stats.error().message;
  EXPECT_NE(stats.error().message.find("No space left on device"), std::string::npos);
  EXPECT_TRUE(disk.files().empty() || !disk.files().contains(folder_ + "/out/report.html"));
}

TEST_F(PlayerTest, AFailedRunLeavesTheOutputFolderEmpty) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/frames/100.jpg", "GIF89a").ok());
  // A broken picture is left out, and the run says so.
  const auto cut = run(kPipeline);
  ASSERT_TRUE(cut.ok());
  ASSERT_EQ(cut->problems.size(), 2u);
  EXPECT_NE(cut->problems[0].find("100.jpg"), std::string::npos);
  EXPECT_NE(cut->problems[1].find("1 of "), std::string::npos);
  EXPECT_EQ(outputs().size(), 2u);
  // A step that fails ends the run: nothing new is put in place.
  std::filesystem::remove_all(options_.output_folder);
  options_.settings = {"tile.area=[0, 0, 500, 500]"};
  const auto failed = run(kPipeline);
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().message.find("'tile'"), std::string::npos);
  EXPECT_TRUE(outputs().empty());
}

TEST_F(PlayerTest, WithoutAReadablePictureTheOutputsOfBeforeStay) {
  ASSERT_TRUE(run(kPipeline).ok());
  const std::string events = output("events.jsonl");
  for (int i = 0; i < kFrames; ++i)
    ASSERT_TRUE(write_file_atomic(fmt::format("{}/frames/{:03}.jpg", folder_, i), "GIF89a").ok());
  for (const char* policy : {"block", "latest"}) {  // by virtual time, too
    const auto stats = run(std::string(kPipeline) +
                           fmt::format("[[edge]]\nfrom = \"camera\"\nto = \"tile\"\npolicy = "
                                       "\"{}\"\n[[edge]]\nfrom = \"camera\"\nto = \"report\"\n"
                                       "capacity = 32\n",
                                       policy));
    ASSERT_FALSE(stats.ok());
    EXPECT_EQ(stats.error().code, Code::kCorrupt);
    EXPECT_NE(stats.error().message.find("node 'camera': none of 24 pictures could be read; the "
                                         "first: "),
              std::string::npos)
        << stats.error().message;
  }
  EXPECT_EQ(output("events.jsonl"), events);
}

TEST_F(PlayerTest, PicturesThatAreSkippedAreNoPackets) {
  for (int i = 0; i < kFrames; i += 2)
    ASSERT_TRUE(write_file_atomic(fmt::format("{}/frames/{:03}.jpg", folder_, i), "GIF89a").ok());
  const auto stats = run(kPipeline);
  ASSERT_TRUE(stats.ok()) << stats.error().message;
  EXPECT_EQ(stats->frames, std::uint64_t(kFrames / 2));
  EXPECT_EQ(stats->nodes[0].packets, std::uint64_t(kFrames / 2));
}

TEST_F(PlayerTest, OutputsMayLieInFoldersOfTheirOwn) {
  options_.settings = {"events.path=sub/dir/e.jsonl"};
  const auto stats = run(kPipeline);
  ASSERT_TRUE(stats.ok()) << stats.error().message;
  EXPECT_FALSE(output("sub/dir/e.jsonl").empty());
}

TEST_F(PlayerTest, ErrorsBeforeTheRun) {
  options_.settings = {"infer.model=other"};
  EXPECT_NE(run(kPipeline).error().message.find("[[node]] 'infer'"), std::string::npos);
  options_.settings = {"events.path=../x"};
  EXPECT_EQ(run(kPipeline).error().code, Code::kDenied);
  options_.settings.clear();
  options_.threads = 0;
  EXPECT_EQ(run(kPipeline).error().code, Code::kInvalid);
  options_.threads = 1;
  options_.file = folder_ + "/none.toml";
  EXPECT_EQ(play(options_).error().code, Code::kNotFound);
}

TEST_F(PlayerTest, OnlyAPathThatIsSetIsExplained) {
  const auto message = [&](std::vector<std::string> settings, const std::string& toml) {
    options_.settings = std::move(settings);
    return run(toml).error().message;
  };
  const std::string told = "a path that is set over the file starts at its folder";
  EXPECT_NE(message({"camera.path=none"}, kPipeline).find(told), std::string::npos);
  EXPECT_NE(message({"camera.path='none'"}, kPipeline).find(told), std::string::npos);
  for (const char* absolute : {"/none", "\"/none\"", "'/none'"})
    EXPECT_EQ(message({fmt::format("camera.path={}", absolute)}, kPipeline).find(told),
              std::string::npos)
        << absolute;
  // Another key of the node is set; the path is the file's own.
  std::string toml = kPipeline;
  toml.replace(toml.find("path = \"frames\""), 15, "path = \"none\"");
  const std::string error = message({"camera.frame_rate=5"}, toml);
  EXPECT_NE(error.find("/none"), std::string::npos) << error;
  EXPECT_EQ(error.find(told), std::string::npos) << error;
}

TEST_F(PlayerTest, StatsAreJson) {
  const auto stats = run(kPipeline);
  ASSERT_TRUE(stats.ok());
  const std::string json = stats_json(*stats);
  EXPECT_EQ(std::ranges::count(json, '{'), std::ranges::count(json, '}'));
  EXPECT_NE(json.find("{\"name\":\"line in\",\"value\":1}"), std::string::npos) << json;
}

#if POLDER_VIDEO_TESTS

std::string le(std::size_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i, value >>= 8) out += char(value & 255);
  return out;
}

std::string chunk(std::string_view name, const std::string& data) {
  return std::string(name) + le(data.size(), 4) + data + std::string(data.size() % 2, '\0');
}

// A Motion JPEG AVI file of the frames; its header states all of them.
std::string avi() {
  const std::string main_header =
      chunk("avih", le(100'000, 4) + le(0, 8) + le(0x10, 4) + le(kFrames, 4) + le(0, 4) + le(1, 4) +
                        le(0, 4) + le(kWidth, 4) + le(kHeight, 4) + le(0, 16));
  const std::string stream_header =
      chunk("strh", "vidsMJPG" + le(0, 4) + le(0, 8) + le(1, 4) + le(10, 4) + le(0, 4) +
                        le(kFrames, 4) + le(0, 4) + le(0xFFFFFFFF, 4) + le(0, 4) + le(0, 8));
  const std::string format = chunk("strf", le(40, 4) + le(kWidth, 4) + le(kHeight, 4) + le(1, 2) +
                                               le(24, 2) + "MJPG" + le(0, 4) + le(0, 16));
  std::string movie = "movi";
  for (int i = 0; i < kFrames; ++i) movie += chunk("00dc", frame_jpeg(i));
  const std::string body =
      "AVI " +
      chunk("LIST", "hdrl" + main_header + chunk("LIST", "strl" + stream_header + format)) +
      chunk("LIST", movie);
  return chunk("RIFF", body);
}

const std::vector<std::string> kFromVideo = {"camera.type=video_file", "camera.path=v.avi"};

TEST_F(PlayerTest, VideoInAndAnnotatedVideoOut) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/v.avi", avi()).ok());
  options_.settings = kFromVideo;
  options_.threads = 2;
  const auto stats = run(std::string(kPipeline) + kVideoSink);
  ASSERT_TRUE(stats.ok()) << stats.error().message;
  EXPECT_EQ(stats->frames, std::uint64_t(kFrames));
  EXPECT_TRUE(stats->problems.empty()) << stats->problems[0];
  const std::string events = output("events.jsonl"), video = output("annotated.mp4");
  EXPECT_NE(events.find("\"frame\":15,\"event\":\"cross\""), std::string::npos);

  // The same bytes again, with one thread; and the annotated video is itself a video of all frames.
  options_.threads = 1;
  ASSERT_TRUE(run(std::string(kPipeline) + kVideoSink).ok());
  EXPECT_EQ(output("annotated.mp4"), video);
  options_.settings = {"camera.type=video_file", "camera.path=out/annotated.mp4"};
  const auto again = run(kPipeline);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->frames, std::uint64_t(kFrames));
}

TEST_F(PlayerTest, AVideoThatEndsInTheMiddleKeepsWhatCameBefore) {
  const std::string whole = avi();
  ASSERT_TRUE(write_file_atomic(folder_ + "/v.avi", whole.substr(0, whole.size() / 2)).ok());
  options_.settings = kFromVideo;
  const auto stats = run(std::string(kPipeline) + kVideoSink);
  ASSERT_TRUE(stats.ok()) << stats.error().message;
  ASSERT_EQ(stats->problems.size(), 1u);
  EXPECT_NE(stats->problems[0].find("of 24 frames are there; the file is damaged or cut short"),
            std::string::npos)
      << stats->problems[0];
  EXPECT_GT(stats->frames, 8u);
  EXPECT_EQ(outputs().size(), 3u);
}

TEST_F(PlayerTest, AStartBehindTheLastFrameIsAnError) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/v.avi", avi()).ok());
  options_.settings = kFromVideo;
  options_.settings.emplace_back("camera.start=24");
  const auto stats = run(kPipeline);
  ASSERT_FALSE(stats.ok());
  EXPECT_NE(stats.error().message.find("start is 24, the video"), std::string::npos);
  EXPECT_NE(stats.error().message.find("v.avi has 24 frames"), std::string::npos);
  EXPECT_TRUE(outputs().empty());
}

TEST_F(PlayerTest, TimesSpanWhatWasPlayedFromTheStartOn) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/v.avi", avi()).ok());
  options_.settings = kFromVideo;
  options_.settings.emplace_back("camera.start=14");
  const auto stats = run(std::string(kPipeline) + kVideoSink);
  ASSERT_TRUE(stats.ok()) << stats.error().message;
  EXPECT_EQ(stats->frames, 10u);
  EXPECT_NEAR(stats->stream_s, 0.9, 1e-3);
  EXPECT_NE(output("events.jsonl").find("{\"t_s\":1.400,\"frame\":14,"), std::string::npos);
  EXPECT_NE(output("report.html").find("\"t_s\":[1.40,"), std::string::npos);
}

TEST_F(PlayerTest, AVideoIsRepeatedAndTimeGoesOn) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/v.avi", avi()).ok());
  options_.settings = kFromVideo;
  options_.settings.emplace_back("camera.repeat=3");
  auto stats = run(std::string(kPipeline) + kVideoSink);
  ASSERT_TRUE(stats.ok()) << stats.error().message;
  EXPECT_TRUE(stats->problems.empty()) << stats->problems[0];
  EXPECT_EQ(stats->frames, std::uint64_t(3 * kFrames));
  EXPECT_NEAR(stats->stream_s, 0.1 * (3 * kFrames - 1), 1e-3);
  // A part of it, over and over.
  for (const char* const part : {"camera.start=14", "camera.frames=4"})
    options_.settings.emplace_back(part);
  stats = run(std::string(kPipeline) + kVideoSink);
  ASSERT_TRUE(stats.ok()) << stats.error().message;
  EXPECT_EQ(stats->frames, 12u);
  EXPECT_NEAR(stats->stream_s, 1.1, 1e-3);
}

TEST_F(PlayerTest, PicturesOfAnotherSizeAreNamed) {
  Image small;
  small.resize(64, 48);
  ASSERT_TRUE(write_file_atomic(folder_ + "/frames/500.jpg", *encode_jpeg(small, 90)).ok());
  options_.settings = {"tile.columns=3"};
  const auto stats = run(std::string(kPipeline) + kVideoSink);
  ASSERT_FALSE(stats.ok());
  EXPECT_NE(stats.error().message.find("frame 24 is 64x48, the first was 96x64"), std::string::npos)
      << stats.error().message;
}

TEST_F(PlayerTest, WhatIsNoVideoIsOneError) {
  for (const std::string& bytes : {std::string(), std::string("RIFF"), std::string(5000, 'x')}) {
    ASSERT_TRUE(write_file_atomic(folder_ + "/v.avi", bytes).ok());
    options_.settings = kFromVideo;
    const auto stats = run(std::string(kPipeline) + kVideoSink);
    ASSERT_FALSE(stats.ok());
    EXPECT_EQ(stats.error().code, Code::kCorrupt) << stats.error().message;
    EXPECT_NE(stats.error().message.find("v.avi"), std::string::npos);
    EXPECT_TRUE(outputs().empty());
  }
}

TEST_F(PlayerTest, AFullDiskUnderTheVideoIsTheDisksOwnError) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/v.avi", avi()).ok());
  MemoryStore disk(600);
  options_.files = &disk;
  options_.settings = kFromVideo;
  std::string toml = std::string(kPipeline) + kVideoSink;
  toml.erase(toml.find("[[node]]\nname = \"events\""),
             toml.find("[[node]]\nname = \"report\"") - toml.find("[[node]]\nname = \"events\""));
  const auto stats = run(toml);
  ASSERT_FALSE(stats.ok());
  EXPECT_NE(stats.error().message.find("node 'video': "), std::string::npos);
  EXPECT_NE(stats.error().message.find("No space left on device"), std::string::npos)
      << stats.error().message;
  EXPECT_TRUE(disk.files().empty());
}

#endif

}  // namespace
}  // namespace polder::pipeline
