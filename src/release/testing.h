// What the tests of this room share: a folder of their own, real plans, a description of a release.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "compile/compile.h"
#include "ops/infer.h"
#include "platform/file.h"

namespace polder::release {

inline constexpr std::int64_t kWidth = 64;

// y = (x * w) + c for x f32[rows, kWidth], `layers` times; of another seed with other weights.
inline Graph test_graph(int layers = 1, int seed = 1, const Dim& rows = 2) {
  Graph graph;
  ValueId last = graph.add_value("x", DataType::kF32, {rows, kWidth});
  graph.inputs = {last};
  for (int layer = 0; layer < layers; ++layer) {
    std::vector<float> weights(std::size_t(kWidth * kWidth)), offset(std::size_t(kWidth), 0.5f);
    unsigned state = unsigned(seed * 100 + layer);
    for (float& weight : weights) {
      state = state * 1664525u + 1013904223u;
      weight = float(state >> 24) / 1024.0f;
    }
    const ValueId w =
        graph.add_constant("w", DataType::kF32, {kWidth, kWidth}, std::span<const float>(weights));
    const ValueId c =
        graph.add_constant("c", DataType::kF32, {kWidth}, std::span<const float>(offset));
    const ValueId product = graph.add_value("product");
    const ValueId sum = graph.add_value(layer == layers - 1 ? "y" : "sum");
    graph.nodes.push_back({"MatMul", "times", {}, {last, w}, {product}, {}});
    graph.nodes.push_back({"Add", "plus", {}, {product, c}, {sum}, {}});
    last = sum;
  }
  graph.outputs = {last};
  EXPECT_TRUE(ops::infer_graph(graph));
  return graph;
}

class ReleaseTest : public testing::Test {
 protected:
  ReleaseTest()
      : folder_(std::filesystem::temp_directory_path() /
                (std::string("release_test_") + std::to_string(::getpid()) + "_" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ReleaseTest() override { std::filesystem::remove_all(folder_); }

  std::string path(std::string_view name) const { return (folder_ / name).string(); }
  std::string write(std::string_view name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  std::string read(std::string_view name) const { return read_file(path(name), 1u << 26).value(); }
  std::string write_plan(std::string_view name, Graph graph,
                         kernel::Isa target = kernel::Isa::kGeneric) const {
    const auto compiled = compile::compile(std::move(graph), {.target = target});
    EXPECT_TRUE(compiled) << compiled.error().message;
    EXPECT_TRUE(compiled->write(path(name)));
    return path(name);
  }

  std::filesystem::path folder_;
};

// That a result is an error of that code, whose text has these words.
template <class R>
void expect_error(const R& result, Code code, std::initializer_list<std::string_view> words) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, code) << result.error().message;
  for (const std::string_view word : words) {
    EXPECT_NE(result.error().message.find(word), std::string::npos)
        << word << " in: " << result.error().message;
  }
}

}  // namespace polder::release
