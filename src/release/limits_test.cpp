#include "release/limits.h"

#include "release/create.h"
#include "release/testing.h"

namespace polder::release {
namespace {

class LimitsTest : public ReleaseTest {
 protected:
  static constexpr int kRows = 8192;
  Result<CreatedRelease> create(std::string_view more, bool check_limits = true) {
    write_plan("m.plan", test_graph(2, 1, kRows));
    const std::string text = std::string(
                                 "model = \"m\"\nversion = \"1.0.0\"\nlicence = \"MIT\"\n"
                                 "[[artifact]]\nname = \"a\"\nfile = \"m.plan\"\n") +
                             std::string(more);
    const Description description = read_description(write("r.toml", text)).value();
    std::filesystem::remove_all(path("release"));
    return create_release(description, path("release"),
                          {.created_s = 5, .make_goldens = true, .check_limits = check_limits});
  }
  static constexpr std::string_view kGolden =
      "[[golden]]\nname = \"g\"\nartifact = \"a\"\nseed = 3\n";
};

TEST_F(LimitsTest, AreMeasured) {
  const auto made = create("[limits]\nlatency_ms = 1e6\nmemory_bytes = 1_000_000_000_000\n" +
                           std::string(kGolden))
                        .value();
  ASSERT_EQ(made.limits.size(), 1u);
  const LimitsResult& result = made.limits[0];
  EXPECT_TRUE(result.was_tried);
  EXPECT_FALSE(result.is_missed()) << result.reason;
  EXPECT_GT(result.p99_ms, 0);
  // Its input, and what is between its layers.
  EXPECT_GE(result.memory_bytes, 2 * kRows * kWidth * 4);
  EXPECT_TRUE(create(kGolden)->limits.empty());  // there are none
}

TEST_F(LimitsTest, ThoseThatAreMissedHereAreAnError) {
  const auto refuses = [&](const std::string& limit, std::string_view word) {
    expect_error(create("[limits]\n" + limit + "\n" + std::string(kGolden)), Code::kIncompatible,
                 {path("r.toml"), "limits of 'a' for generic", word, "--no-limits-check"});
    const auto made = create("[limits]\n" + limit + "\n" + std::string(kGolden), false);
    EXPECT_TRUE(made.value().limits.at(0).is_missed());
  };
  refuses("latency_ms = 0.000001", "above latency_ms = 1e-06");
  refuses("memory_bytes = 100", "above memory_bytes = 100");
  // A device has nothing to measure a latency with.
  expect_error(create("[limits]\nlatency_ms = 1e6\n"), Code::kIncompatible, {"no golden"});
  EXPECT_TRUE(create("[limits]\nmemory_bytes = 1_000_000_000\n").ok());
}

TEST_F(LimitsTest, WhatCannotRunHereIsNotTried) {
  const auto made =
      create("[limits]\nlatency_ms = 0.000001\n" + std::string(kGolden), false).value();
  trust::ReleaseFolder release = made.release;
  release.manifest.artifacts[0].requirement.backend = "litert";
  const auto other = try_limits(release).value();
  ASSERT_EQ(other.size(), 1u);
  EXPECT_FALSE(other[0].was_tried);
  EXPECT_FALSE(other[0].is_missed());
  EXPECT_NE(other[0].reason.find("litert is to run it"), std::string::npos);
}

}  // namespace
}  // namespace polder::release
