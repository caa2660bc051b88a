#include "pipeline/sources/sources.h"

#include <stdlib.h>

#include <cstring>
#include <filesystem>

#include "pipeline/imaging/decode.h"
#include "pipeline/imaging/encode.h"
#include "pipeline/sources/wav.h"
#include "pipeline/testing.h"
#include "platform/file.h"

namespace polder::pipeline {
namespace {

std::string le(std::uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += char(value >> (8 * i));
  return out;
}

std::string chunk(std::string_view name, const std::string& data) {
  return std::string(name) + le(std::uint32_t(data.size()), 4) + data +
         (data.size() % 2 ? std::string(1, '\0') : "");
}

std::string wav_bytes(int format, int bits, int channels, const std::string& data) {
  const auto frame = std::uint32_t(channels * bits / 8);
  const std::string body =
      "WAVE" +
      chunk("fmt ", le(std::uint32_t(format), 2) + le(std::uint32_t(channels), 2) + le(16000, 4) +
                        le(16000 * frame, 4) + le(frame, 2) + le(std::uint32_t(bits), 2)) +
      chunk("LIST", "odd") + chunk("data", data);
  return "RIFF" + le(std::uint32_t(body.size()), 4) + body;
}

Result<Wav> parse(const std::string& bytes) {
  return parse_wav({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, "t.wav");
}

TEST(Wav, ReadsEveryEncoding) {
  const std::string pcm16 = wav_bytes(1, 16, 1, le(0x4000, 2) + le(0x8000, 2));
  EXPECT_FLOAT_EQ(parse(pcm16)->mono(0), 0.5F);
  EXPECT_FLOAT_EQ(parse(pcm16)->mono(1), -1.0F);
  const std::string pcm24 = wav_bytes(1, 24, 1, le(0x400000, 3) + le(0xC00000, 3));
  EXPECT_FLOAT_EQ(parse(pcm24)->mono(0), 0.5F);
  EXPECT_FLOAT_EQ(parse(pcm24)->mono(1), -0.5F);
  const std::string pcm32 = wav_bytes(1, 32, 1, le(0x40000000, 4));
  EXPECT_FLOAT_EQ(parse(pcm32)->mono(0), 0.5F);
  const float sample = -0.25F;
  std::uint32_t word = 0;
  std::memcpy(&word, &sample, 4);
  const std::string real = wav_bytes(3, 32, 1, le(word, 4));
  EXPECT_FLOAT_EQ(parse(real)->mono(0), -0.25F);
  const std::string stereo = wav_bytes(1, 16, 2, le(0x4000, 2) + le(0, 2));
  EXPECT_EQ(parse(stereo)->frames(), 1u);
  EXPECT_FLOAT_EQ(parse(stereo)->mono(0), 0.25F);
}

TEST(Wav, HostileBytesAreErrors) {
  const std::string good = wav_bytes(1, 16, 1, std::string(100, 'x'));
  for (std::size_t size = 0; size < good.size(); ++size) {
    const std::string cut = good.substr(0, size);  // Wav reads from it
    const auto wav = parse(cut);
    if (!wav.ok()) continue;
    EXPECT_TRUE(wav->cut_short) << size;
    for (std::uint64_t i = 0; i < wav->frames(); ++i) (void)wav->mono(i);
  }
  EXPECT_EQ(parse("RIFFxxxxWAVE").error().code, Code::kCorrupt);
  EXPECT_EQ(parse(wav_bytes(2, 4, 1, "abcd")).error().code, Code::kUnsupported);
  EXPECT_EQ(parse(wav_bytes(1, 16, 0, "abcd")).error().code, Code::kCorrupt);
  EXPECT_EQ(parse("RIFF\1\1\1\1WAVE" + chunk("data", "abcd")).error().code, Code::kCorrupt);
}

class SourceTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/polder_source_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    environment_.input_folder = folder_;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, std::string_view bytes) {
    ASSERT_TRUE(write_file_atomic(folder_ + "/" + name, bytes).ok());
  }
  std::string folder_;
  Environment environment_;
};

TEST_F(SourceTest, WavBlocksAreFilledUpAndTimed) {
  write("a.wav", wav_bytes(1, 16, 1, std::string(2 * 700, '\1')));
  NodeRunner source(kWavFile, "path = 'a.wav'", environment_);
  ASSERT_TRUE(source.run({}).ok());
  EXPECT_EQ(source.output<Audio>().samples.size(), 512u);
  ASSERT_TRUE(source.run({}).ok());
  EXPECT_EQ(source.packet().t_capture_us, 32000);
  EXPECT_EQ(source.packet().duration_us, 11750);  // of the 188 samples that are there
  EXPECT_NE(source.output<Audio>().samples[187], 0);
  EXPECT_EQ(source.output<Audio>().samples[188], 0);
  ASSERT_TRUE(source.run({}).ok());
  EXPECT_TRUE(source.ended());
}

TEST_F(SourceTest, WavIsPlayedAgainWithNumbersAndTimesGoingOn) {
  write("a.wav", wav_bytes(1, 16, 1, std::string(2 * 700, '\1')));
  NodeRunner source(kWavFile, "path = 'a.wav'\nrepeat = 2", environment_);
  const std::int64_t begins_us[] = {0, 32'000, 43'750, 75'750};
  for (std::size_t i = 0; i < std::size(begins_us); ++i) {
    ASSERT_TRUE(source.run({}).ok());
    EXPECT_EQ(source.packet().seq, i);
    EXPECT_EQ(source.packet().t_capture_us, begins_us[i]);
    EXPECT_EQ(source.output<Audio>().samples[188],
              i % 2 == 0 ? source.output<Audio>().samples[0] : 0);
  }
  ASSERT_TRUE(source.run({}).ok());
  EXPECT_TRUE(source.ended());
  NodeRunner endless(kWavFile, "path = 'a.wav'\nrepeat = 0", environment_);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(endless.run({}).ok());
  EXPECT_FALSE(endless.ended());
}

TEST_F(SourceTest, CutWavKeepsWhatIsThereAndFailsAtTheEnd) {
  write("a.wav", wav_bytes(1, 16, 1, std::string(2 * 700, '\1')).substr(0, 1200));
  NodeRunner source(kWavFile, "path = 'a.wav'", environment_);
  ASSERT_TRUE(source.run({}).ok());
  ASSERT_TRUE(source.run({}).ok());
  const Status end = source.run({});
  ASSERT_FALSE(end.ok());
  EXPECT_NE(end.error().message.find("cut short"), std::string::npos);
}

TEST_F(SourceTest, WavWithoutASampleIsRefused) {
  write("a.wav", wav_bytes(1, 16, 1, ""));
  const auto made = make_node(kWavFile, "path = 'a.wav'", environment_);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("a.wav: the file holds no samples"), std::string::npos);
}

TEST_F(SourceTest, WavOfAnotherRateIsRefused) {
  write("a.wav", wav_bytes(1, 16, 1, "abcd"));
  const auto made = make_node(kWavFile, "path = 'a.wav'\nsample_rate_hz = 8000", environment_);
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("16000 Hz; 8000 Hz are expected"), std::string::npos);
}

std::string checkered_jpeg() {
  Image image;
  image.resize(16, 8);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = i % 48 < 24 ? 250 : 5;
  return *encode_jpeg(image, 95);
}

TEST_F(SourceTest, ImageFolderReadsByName) {
  write("b.jpg", checkered_jpeg());
  write("a.JPG", checkered_jpeg());
  write("notes.txt", "no picture");
  NodeRunner source(kImageFolder, "path = '.'\nframe_rate = 4", environment_);
  EXPECT_EQ(source.node().expected_packets(), 2u);
  ASSERT_TRUE(source.run({}).ok());
  EXPECT_EQ(source.output<Image>().width, 16);
  EXPECT_NEAR(source.output<Image>().pixels[0], 250, 8);
  ASSERT_TRUE(source.run({}).ok());
  EXPECT_EQ(source.packet().t_capture_us, 250'000);
  ASSERT_TRUE(source.run({}).ok());
  EXPECT_TRUE(source.ended());
}

TEST_F(SourceTest, BrokenPicturesAreLeftOutAndTold) {
  write("a.jpg", checkered_jpeg().substr(0, 60));
  write("b.jpg", checkered_jpeg());
  write("c.png", "text");
  NodeRunner broken(kImageFolder, "path = '.'", environment_);
  ASSERT_TRUE(broken.run({}));
  EXPECT_TRUE(!broken.emitted() && !broken.ended());  // a call each: the run can be stopped here
  ASSERT_TRUE(broken.run({}));
  ASSERT_TRUE(broken.emitted());
  EXPECT_EQ(broken.packet().seq, 1u);  // its place and time are those it has in the folder
  EXPECT_EQ(broken.packet().t_capture_us, 100'000);
  ASSERT_TRUE(broken.run({}));
  EXPECT_FALSE(broken.emitted());
  ASSERT_TRUE(broken.run({}));
  EXPECT_TRUE(broken.ended() && !broken.emitted());
  const std::vector<std::string> problems = broken.node().problems();
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_NE(problems[0].find("a.jpg"), std::string::npos);
  EXPECT_NE(problems[1].find("c.png"), std::string::npos);
  EXPECT_NE(problems[2].find("2 of 3 pictures"), std::string::npos);
  EXPECT_FALSE(make_node(kImageFolder, "path = 'none'", environment_).ok());
}

// A 2 × 1 PNG: red, green.
constexpr unsigned char kPng[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
    0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x7b,
    0x40, 0xe8, 0xdd, 0x00, 0x00, 0x00, 0x0f, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8,
    0xcf, 0xc0, 0xc0, 0xf0, 0x9f, 0x01, 0x00, 0x07, 0xff, 0x01, 0xff, 0x01, 0x7f, 0x89, 0xa7,
    0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};

TEST(DecodeImage, ReadsPngAndRefusesTheRest) {
  const std::string_view png(reinterpret_cast<const char*>(kPng), sizeof(kPng));
  Image image;
  const Status status = decode_image(png, "p.png", image);
  ASSERT_TRUE(status.ok()) << status.error().message;
  ASSERT_EQ(image.width, 2);
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{255, 0, 0, 0, 255, 0}));
  EXPECT_EQ(decode_image("GIF89a", "g.gif", image).error().code, Code::kUnsupported);
  for (std::size_t size = 8; size < sizeof(kPng) - 24; ++size)
    EXPECT_FALSE(decode_image(png.substr(0, size), "p.png", image).ok()) << size;
}

TEST(VideoFile, SaysWhereThePlugInWasLookedFor) {
  Environment environment;
  environment.plugin_folder = "/nowhere";
  const auto made = make_node(kVideoFile, "path = 'v.avi'", environment);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::kUnavailable);
  EXPECT_NE(made.error().message.find("/nowhere/polder_video_libav.so"), std::string::npos);
}

}  // namespace
}  // namespace polder::pipeline
