#include <limits>

#include "pipeline/steps/steps.h"
#include "pipeline/testing.h"

namespace polder::pipeline {
namespace {

TEST(AudioWindow, CarriesTheEndOfTheBlockBefore) {
  NodeRunner window(kAudioWindow, "context = 2");
  PacketMaker maker;
  maker.make<Audio>(0, 0).samples = {1, 2, 3};
  ASSERT_TRUE(window.run({maker.packet()}).ok());
  const Tensor& first = window.output<Tensors>().runs[0][0];
  EXPECT_EQ(std::vector<float>(first.f32(), first.f32() + 5), (std::vector<float>{0, 0, 1, 2, 3}));
  maker.make<Audio>(1, 1).samples = {4, 5, 6};
  ASSERT_TRUE(window.run({maker.packet()}).ok());
  const Tensor& second = window.output<Tensors>().runs[0][0];
  EXPECT_EQ(std::vector<float>(second.f32(), second.f32() + 5),
            (std::vector<float>{2, 3, 4, 5, 6}));
}

class VadTest : public testing::Test {
 protected:
  // Feeds probabilities 10 ms apart; returns the events as "start@50".
  std::string feed(const std::vector<float>& probabilities, std::int64_t duration_us = 10'000) {
    NodeRunner vad(kVadSmooth, "min_speech_ms = 30\nmin_silence_ms = 20\npad_ms = 0");
    std::string text;
    const auto note = [&] {
      if (!vad.emitted()) return;
      for (const Event& event : vad.output<Events>().items)
        text += (text.empty() ? "" : " ") + event.kind.substr(7) + "@" +
                std::to_string(event.t_us / 1000);
    };
    PacketMaker maker;
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      auto& tensors = maker.make<Tensors>(i, std::int64_t(i) * 10'000);
      tensors.resize(1, 1);
      tensors.runs[0][0].reset(DataType::kF32, Shape{1, 1});
      tensors.runs[0][0].f32()[0] = probabilities[i];
      Packet packet = maker.packet();
      packet.duration_us = i + 1 < probabilities.size() ? 10'000 : duration_us;
      EXPECT_TRUE(vad.run({packet}).ok());
      note();
    }
    EXPECT_TRUE(vad.finish().ok());
    note();
    return text;
  }
};

TEST_F(VadTest, SegmentsBeginAtTheFirstAndEndAtTheLastSpeech) {
  EXPECT_EQ(feed({0, 0.9F, 0.9F, 0.9F, 0.9F, 0.9F, 0.1F, 0.1F, 0.1F, 0}), "start@10 end@60");
}

TEST_F(VadTest, ShortSpeechAndShortPausesDoNotCount) {
  EXPECT_EQ(feed({0, 0.9F, 0.1F, 0.1F, 0.1F, 0}), "");
  EXPECT_EQ(feed({0.9F, 0.9F, 0.9F, 0.9F, 0.1F, 0.9F, 0.9F, 0.1F, 0.1F, 0.1F}), "start@0 end@70");
}

TEST_F(VadTest, BetweenTheThresholdsNothingChanges) {
  EXPECT_EQ(feed({0.4F, 0.4F, 0.4F, 0.4F, 0.4F}), "");
  EXPECT_EQ(feed({0.9F, 0.4F, 0.4F, 0.4F, 0.4F, 0.1F, 0.1F, 0.1F}), "start@0 end@50");
}

TEST_F(VadTest, SpeechAtTheEndIsClosed) {
  EXPECT_EQ(feed({0.9F, 0.9F, 0.9F, 0.9F, 0.9F}), "start@0 end@50");
  EXPECT_EQ(feed({0.9F, 0.9F, 0.9F, 0.9F, 0.9F}, 4'000), "start@0 end@44");
  EXPECT_EQ(feed({0, 0.9F, 0.9F, 0.9F}), "start@10 end@40");
  EXPECT_EQ(feed({0, 0.9F, 0.9F, 0.9F}, 9'000), "");
  EXPECT_EQ(feed({0.9F, 0.9F, 0.9F, 0.9F, 0.1F}), "start@0 end@40");
}

TEST_F(VadTest, AProbabilityThatIsNoNumberIsAnError) {
  NodeRunner vad(kVadSmooth, "");
  PacketMaker maker;
  auto& tensors = maker.make<Tensors>(7, 0);
  tensors.resize(1, 1);
  tensors.runs[0][0].reset(DataType::kF32, Shape{1, 1});
  tensors.runs[0][0].f32()[0] = std::numeric_limits<float>::infinity();
  const Status status = vad.run({maker.packet()});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("inf as the probability of packet 7"), std::string::npos);
}

}  // namespace
}  // namespace polder::pipeline
