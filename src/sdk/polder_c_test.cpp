// The C interface: what works, and that each misuse is an error after which the model still works.
#include "sdk/polder_c_test.h"

#include <gtest/gtest.h>
#include <polder/error.h>
#include <polder/polder.h>
#include <polder/tensor.h>

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "platform/count_allocations.h"
#include "platform/file.h"
#include "platform/temporary.h"
#include "platform/testing.h"
#include "runtime/testing.h"
#include "sdk/testing.h"

namespace polder {
namespace {

static_assert(POLDER_MAX_RANK == kMaxRank);
static_assert(POLDER_F32 == int(DataType::kF32) && POLDER_F16 == int(DataType::kF16));
static_assert(POLDER_BF16 == int(DataType::kBF16) && POLDER_F64 == int(DataType::kF64));
static_assert(POLDER_I8 == int(DataType::kI8) && POLDER_U8 == int(DataType::kU8));
static_assert(POLDER_I16 == int(DataType::kI16) && POLDER_U16 == int(DataType::kU16));
static_assert(POLDER_I32 == int(DataType::kI32) && POLDER_U32 == int(DataType::kU32));
static_assert(POLDER_I64 == int(DataType::kI64) && POLDER_U64 == int(DataType::kU64));
static_assert(POLDER_BOOL == int(DataType::kBool));

// The call failed with `code`, and the message holds `part`.
void expect_refused(int returned, Code code, const std::string& part) {
  EXPECT_EQ(returned, int(code)) << part;
  EXPECT_NE(std::string(polder_last_error()).find(part), std::string::npos) << polder_last_error();
}

class CInterface : public testing::Test {
 protected:
  void SetUp() override {
    auto file = TemporaryFile::create(".plan");
    ASSERT_TRUE(file.ok()) << file.error().message;
    file_.emplace(std::move(*file));
    write(handmade::difference());
    ASSERT_EQ(polder_open(path(), nullptr, &model_), 0) << polder_last_error();
    for (int i = 0; i < 16; ++i) x_[i] = float(-i);
    ASSERT_EQ(polder_input(model_, 0, &input_, nullptr), 0);
    input_.data = x_;
  }
  void TearDown() override { polder_close(model_); }

  void write(const plan::ProgramT& program) {
    const std::vector<std::byte> bytes = handmade::file_of(program);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    ASSERT_TRUE(write_file_atomic(path(), text).ok());
  }
  const char* path() const { return file_->path().c_str(); }
  void expect_works() {
    ASSERT_EQ(polder_run(model_, &input_, 1), 0) << polder_last_error();
    polder_tensor result{};
    ASSERT_EQ(polder_result(model_, 0, &result), 0) << polder_last_error();
    EXPECT_EQ(static_cast<const float*>(result.data)[1], 1 - 4);
  }

  std::optional<TemporaryFile> file_;
  polder_model* model_ = nullptr;
  polder_tensor input_{};
  float x_[16];
};

TEST_F(CInterface, RunsInAProgramOfC) {
  EXPECT_EQ(difference_in_c(path()), 0) << polder_last_error();
}

TEST_F(CInterface, NullIsRefusedByEveryFunction) {
  polder_tensor port{};
  polder_model* none = model_;
  expect_refused(polder_open(nullptr, nullptr, &none), Code::kInvalid, "polder_open: path");
  EXPECT_EQ(none, nullptr);
  expect_refused(polder_open(path(), nullptr, nullptr), Code::kInvalid, "polder_open: model");
  EXPECT_EQ(polder_input_count(nullptr), -1);
  EXPECT_STREQ(polder_last_error(), "polder_input_count: model must not be NULL");
  EXPECT_EQ(polder_output_count(nullptr), -1);
  EXPECT_STREQ(polder_last_error(), "polder_output_count: model must not be NULL");
  expect_refused(polder_input(nullptr, 0, &port, nullptr), Code::kInvalid, "polder_input: model");
  expect_refused(polder_input(model_, 0, nullptr, nullptr), Code::kInvalid, "polder_input: port");
  expect_refused(polder_output(nullptr, 0, &port, nullptr), Code::kInvalid, "polder_output: model");
  expect_refused(polder_output(model_, 0, nullptr, nullptr), Code::kInvalid, "polder_output: port");
  expect_refused(polder_input_bounds(nullptr, 0, &port), Code::kInvalid, "input_bounds: model");
  expect_refused(polder_output_bounds(model_, 1, &port), Code::kInvalid, "output_bounds: no index");
  expect_refused(polder_run(nullptr, &input_, 1), Code::kInvalid, "polder_run: model");
  expect_refused(polder_run(model_, nullptr, 1), Code::kInvalid, "polder_run: inputs");
  expect_refused(polder_result(nullptr, 0, &port), Code::kInvalid, "polder_result: model");
  expect_works();
  expect_refused(polder_result(model_, 0, nullptr), Code::kInvalid, "polder_result: result");
  polder_close(nullptr);
  expect_works();
}

TEST_F(CInterface, WhatCannotBeOpened) {
  polder_model* model = model_;
  expect_refused(polder_open("/nonexistent/a.plan", nullptr, &model), Code::kNotFound,
                 "/nonexistent/a.plan");
  EXPECT_EQ(model, nullptr);
  polder_options options{.size = sizeof(polder_options)};
  for (const int threads : {-1, 257}) {
    options.threads = threads;
    expect_refused(polder_open(path(), &options, &model), Code::kInvalid, "1 to 256");
  }
  options.threads = 3;
  {
    const NoNewThreads limit;
    expect_refused(polder_open(path(), &options, &model), Code::kExhausted, "thread 2 of 3");
  }
  ASSERT_EQ(polder_open(path(), &options, &model), 0) << polder_last_error();
  polder_close(model);
  ASSERT_TRUE(write_file_atomic(path(), "POLDPLAN and no more").ok());
  expect_refused(polder_open(path(), nullptr, &model), Code::kCorrupt, path());
  EXPECT_EQ(model, nullptr);
}

TEST_F(CInterface, OptionsThatDoNotFit) {
  polder_model* model = nullptr;
  polder_options options{};
  const auto refused = [&](const char* part) {
    expect_refused(polder_open(path(), &options, &model), Code::kInvalid, part);
  };
  for (const std::size_t size : {std::size_t(0), std::size_t(7), std::size_t(-1)}) {
    options.size = size;
    refused("sizeof(polder_options)");
  }
  options.size = sizeof options;
  options.max_iterations = -1;
  refused("max_iterations is -1");
  options.max_iterations = 0;
  options.input_count = 1;
  refused("inputs must not be NULL");
  options.input_count = -1;
  refused("-1 inputs");
  polder_named_input input{};
  options.inputs = &input;
  options.input_count = 1;
  refused("the name of an input");
  input = {"x", {nullptr, POLDER_F32, POLDER_MAX_RANK + 1, {}}};
  refused("input 'x': rank 9");
  input = {"x", {x_, 0, 1, {16}}};
  refused("input 'x': no type is 0");
  options.input_count = 0;
  options.bound_count = 1;
  refused("bounds must not be NULL");
  polder_bound bound{};
  options.bounds = &bound;
  refused("the dimension of a bound");
}

#ifndef POLDER_DEVICE
// y = x + k for x [rows,4] and k [4,4].
TEST_F(CInterface, OpensAsTheOptionsSay) {
  ASSERT_TRUE(write_file_atomic(path(), onnx_file::of("Add", {"x", "k"}, true)).ok());
  float k[16];
  std::fill_n(k, 16, 20.F);
  const polder_named_input fixed[] = {{"k", {k, POLDER_F32, 2, {4, 4}}},
                                      {"x", {nullptr, 0, 2, {4, -1}}}};
  const polder_bound bound = {"rows", 4};
  polder_options options{
      .size = sizeof options, .target = "generic", .inputs = fixed, .bounds = &bound};
  const auto rows_of_x = [&] {
    polder_close(std::exchange(model_, nullptr));
    EXPECT_EQ(polder_open(path(), &options, &model_), 0) << polder_last_error();
    EXPECT_EQ(polder_input_count(model_), 1);
    EXPECT_EQ(polder_input(model_, 0, &input_, nullptr), 0);
    return input_.dims[0];
  };
  options.input_count = 2;
  EXPECT_EQ(rows_of_x(), 4);
  options.input_count = 1;
  options.bound_count = 1;
  EXPECT_EQ(rows_of_x(), -1);
  polder_tensor most{};
  ASSERT_EQ(polder_input_bounds(model_, 0, &most), 0) << polder_last_error();
  EXPECT_EQ(most.dims[0], 4);
  EXPECT_EQ(most.dims[1], 4);
  EXPECT_EQ(most.type, POLDER_F32);
  ASSERT_EQ(polder_output_bounds(model_, 0, &most), 0) << polder_last_error();
  EXPECT_EQ(most.dims[0], 4);
  input_.data = x_;
  input_.dims[0] = 5;
  expect_refused(polder_run(model_, &input_, 1), Code::kInvalid, "<=4,4] expected");
  input_.dims[0] = 4;
  ASSERT_EQ(polder_run(model_, &input_, 1), 0) << polder_last_error();
  polder_tensor result{};
  ASSERT_EQ(polder_result(model_, 0, &result), 0);
  EXPECT_EQ(result.dims[0], 4);
  EXPECT_EQ(static_cast<const float*>(result.data)[5], -5 + 20);
  options.target = "vax";
  polder_model* other = nullptr;
  expect_refused(polder_open(path(), &options, &other), Code::kInvalid, "'vax'");
}
#endif

TEST_F(CInterface, OptionsOfOtherVersions) {
  struct Newer {
    polder_options known;
    std::int64_t more;
  } newer{};
  newer.known.size = sizeof newer;
  const auto open = [&] {
    polder_close(std::exchange(model_, nullptr));
    return polder_open(path(), &newer.known, &model_);
  };
  EXPECT_EQ(open(), 0) << polder_last_error();
  newer.more = 1;
  expect_refused(open(), Code::kIncompatible, "newer library");
  // An older caller has no `threads`: what lies there is another thing's.
  newer.known.size = offsetof(polder_options, threads);
  newer.known.threads = 999;
  EXPECT_EQ(open(), 0) << polder_last_error();
}

// A run and its result, that is; opening takes memory.
TEST_F(CInterface, RunsWithoutAllocating) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "a sanitizer's allocator cannot be counted";
#endif
  expect_works();
  const long before = g_allocations;
  polder_tensor result{};
  const int ran = polder_run(model_, &input_, 1), got = polder_result(model_, 0, &result);
  EXPECT_EQ(g_allocations - before, 0);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(got, 0);
}

TEST_F(CInterface, IndicesThatAreNot) {
  polder_tensor port{};
  const char* name = "untouched";
  for (const int index : {-1, 1, 1 << 30}) {
    expect_refused(polder_input(model_, index, &port, &name), Code::kInvalid, "the model has 1");
    expect_refused(polder_output(model_, index, &port, &name), Code::kInvalid, "the model has 1");
  }
  EXPECT_STREQ(name, "untouched");
  expect_works();
  for (const int index : {-1, 1, 1 << 30})
    expect_refused(polder_result(model_, index, &port), Code::kInvalid, "the model has 1");
}

TEST_F(CInterface, InputsThatDoNotFit) {
  const auto refused = [&](polder_tensor input, const char* part) {
    expect_refused(polder_run(model_, &input, 1), Code::kInvalid, part);
    expect_works();
  };
  for (const int count : {-1, 0, 2, 1 << 30})
    expect_refused(polder_run(model_, &input_, count), Code::kInvalid, "1 inputs expected");
  for (const int rank : {-1, POLDER_MAX_RANK + 1, 1 << 30}) {
    polder_tensor input = input_;
    input.rank = rank;
    refused(input, "rank");
  }
  for (const int type : {-1, 0, POLDER_BOOL + 1, 256 + POLDER_F32}) {
    polder_tensor input = input_;
    input.type = type;
    refused(input, "no type is");
  }
  polder_tensor input = input_;
  input.type = POLDER_I32;
  refused(input, "another type");
  input = input_;
  input.rank = 1;
  refused(input, "another rank");
  for (const std::int64_t extent : {-4, 0, 3, 5}) {
    input = input_;
    input.dims[1] = extent;
    refused(input, "[4,4] expected");
  }
  input = input_;
  input.data = nullptr;
  refused(input, "no data");
}

TEST_F(CInterface, ResultsAreThoseOfASuccessfulRun) {
  polder_tensor result{};
  expect_refused(polder_result(model_, 0, &result), Code::kInvalid, "before a successful");
  expect_works();
  EXPECT_NE(polder_run(model_, &input_, 0), 0);  // never ran
  EXPECT_EQ(polder_result(model_, 0, &result), 0);
  polder_tensor wrong = input_;
  wrong.rank = 1;
  EXPECT_NE(polder_run(model_, &wrong, 1), 0);
  expect_refused(polder_result(model_, 0, &result), Code::kInvalid, "before a successful");
  expect_works();
}

// A result lies where the next run writes.
TEST_F(CInterface, AResultIsNoInput) {
  expect_works();
  polder_tensor result{};
  ASSERT_EQ(polder_result(model_, 0, &result), 0);
  expect_refused(polder_run(model_, &result, 1), Code::kInvalid, "copy it");
  expect_works();
}

TEST_F(CInterface, ErrorsBelongToTheirThread) {
  expect_refused(polder_input(model_, 7, &input_, nullptr), Code::kInvalid, "no index 7");
  std::thread([&] {
    EXPECT_STREQ(polder_last_error(), "");
    polder_open(nullptr, nullptr, nullptr);
  }).join();
  EXPECT_STREQ(polder_last_error(), "polder_input: no index 7; the model has 1");
}

TEST_F(CInterface, AsManyInputsAsTheModelHas) {
  constexpr int kInputs = 200;
  plan::ProgramT program = handmade::difference();
  plan::GraphT& graph = *program.graphs[0];
  for (int i = 1; i < kInputs; ++i) {
    graph.inputs.push_back(int(graph.tensors.size()));
    graph.tensors.push_back(handmade::tensor(plan::Storage::Input, {4, 4}));
  }
  graph.nodes[0]->inputs = {graph.inputs.back()};
  write(program);
  polder_close(std::exchange(model_, nullptr));
  ASSERT_EQ(polder_open(path(), nullptr, &model_), 0) << polder_last_error();
  ASSERT_EQ(polder_input_count(model_), kInputs);
  const std::vector<polder_tensor> inputs(kInputs, input_);
  ASSERT_EQ(polder_run(model_, inputs.data(), kInputs), 0) << polder_last_error();
  expect_refused(polder_run(model_, inputs.data(), kInputs - 1), Code::kInvalid, "200 inputs");
}

TEST(CInterfaceVersion, IsThatOfTheBuild) { EXPECT_STREQ(polder_version(), POLDER_VERSION); }

}  // namespace
}  // namespace polder
