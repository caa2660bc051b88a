// The C++ interface: opening, running, compiling, and what each refuses.
#include <gtest/gtest.h>
#include <polder/model.h>

#include <filesystem>

#include "platform/file.h"
#include "runtime/testing.h"
#include "sdk/testing.h"

namespace polder {
namespace {

class ModelTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/polder_model_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    const std::vector<std::byte> plan = handmade::file_of(handmade::difference());
    write("a.plan", {reinterpret_cast<const char*>(plan.data()), plan.size()});
    for (int i = 0; i < 16; ++i) x_[i] = float(-i);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void write(const std::string& name, std::string_view bytes) {
    ASSERT_TRUE(write_file_atomic(path(name), bytes).ok());
  }
  void expect_works(Model& model) {
    ASSERT_TRUE(model.run({&input_, 1}).ok());
    ASSERT_NE(model.output(0).data, nullptr);
    EXPECT_EQ(model.output(0).as<float>()[1], 1 - 4);
  }

  std::string folder_;
  float x_[16];
  TensorView input_{x_, DataType::kF32, {4, 4}};
};

bool empty(const TensorView& view) { return !view.data && view.type == DataType::kNone; }

TEST_F(ModelTest, OpensAndRunsAPlan) {
  auto model = Model::open(path("a.plan"), {.threads = 2});
  ASSERT_TRUE(model.ok()) << model.error().message;
  ASSERT_EQ(model->inputs().size(), 1u);
  EXPECT_EQ(model->inputs()[0].shape.text(), "[4,4]");
  EXPECT_EQ(model->outputs()[0].type, DataType::kF32);
  EXPECT_GE(model->arena_bytes(), 192u);
  expect_works(*model);
  Model moved = std::move(*model);
  expect_works(moved);
}

TEST_F(ModelTest, OpensAPlanInMemory) {
  const std::vector<std::byte> plan = handmade::file_of(handmade::difference());
  auto memory = std::shared_ptr<std::byte>(
      static_cast<std::byte*>(std::aligned_alloc(64, plan.size() / 64 * 64 + 128)), std::free);
  std::copy(plan.begin(), plan.end(), memory.get());
  const std::weak_ptr<std::byte> alive = memory;
  {
    auto model = Model::open_plan(memory, {memory.get(), plan.size()}, {.threads = 2});
    ASSERT_TRUE(model.ok()) << model.error().message;
    memory.reset();
    expect_works(*model);
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
}

TEST_F(ModelTest, RefusesMemoryThatIsNoPlan) {
  alignas(64) std::byte bytes[256] = {};
  EXPECT_EQ(Model::open_plan(nullptr, bytes).error().code, Code::kCorrupt);
  EXPECT_EQ(Model::open_plan(nullptr, {}).error().code, Code::kCorrupt);
  EXPECT_EQ(Model::open_plan(nullptr, std::span(bytes).subspan(8)).error().code, Code::kInvalid);
  const std::vector<std::byte> plan = handmade::file_of(handmade::difference());
  auto* copy = static_cast<std::byte*>(std::aligned_alloc(64, plan.size() / 64 * 64 + 128));
  std::copy(plan.begin(), plan.end(), copy);
  EXPECT_EQ(Model::open_plan(nullptr, {copy, plan.size()}, {.bounds = {{"n", 3}}}).error().code,
            Code::kInvalid);
  EXPECT_EQ(Model::open_plan(nullptr, {copy, plan.size() - 1}).error().code, Code::kCorrupt);
  std::free(copy);
}

TEST_F(ModelTest, OutputsThatAreNotAreEmpty) {
  auto model = Model::open(path("a.plan"));
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_TRUE(empty(model->output(0)));  // nothing has run
  expect_works(*model);
  for (const int index : {-1, 1, 1 << 30}) EXPECT_TRUE(empty(model->output(index))) << index;
  const TensorView wrong{x_, DataType::kF32, {2, 8}};
  EXPECT_FALSE(model->run({&wrong, 1}).ok());
  EXPECT_TRUE(empty(model->output(0)));
  expect_works(*model);
}

TEST_F(ModelTest, InputsThatDoNotFitLeaveItUsable) {
  auto model = Model::open(path("a.plan"));
  ASSERT_TRUE(model.ok());
  const TensorView views[] = {{x_, DataType::kF64, {4, 4}},
                              {x_, DataType::kF32, {16}},
                              {x_, DataType::kF32, {4, -4}},
                              {nullptr, DataType::kF32, {4, 4}}};
  for (const TensorView& view : views) {
    const Status status = model->run({&view, 1});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kInvalid);
    EXPECT_NE(status.error().message.find("[4,4] expected"), std::string::npos)
        << status.error().message;
    expect_works(*model);
  }
  EXPECT_EQ(model->run({}).error().message, "1 inputs expected, 0 given");
  const TensorView result = model->output(0);
  EXPECT_EQ(model->run({&result, 1}).error().code, Code::kInvalid);
  expect_works(*model);
}

TEST_F(ModelTest, WhatCannotBeOpened) {
  EXPECT_EQ(Model::open(path("none.onnx")).error().code, Code::kNotFound);
  EXPECT_EQ(Model::open(folder_).error().code, Code::kInvalid);
  EXPECT_EQ(Model::open(path("a.plan"), {.threads = 0}).error().code, Code::kInvalid);
  EXPECT_EQ(Model::open(path("a.plan"), {.threads = 257}).error().code, Code::kInvalid);
  write("empty", "");
  EXPECT_EQ(Model::open(path("empty")).error().code, Code::kCorrupt);
  write("text.onnx", "no model");
  const auto text = Model::open(path("text.onnx"));
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.error().message.find(path("text.onnx")), std::string::npos);
}

TEST_F(ModelTest, NamesOfAPlanDoNotReachATerminalAsTheyAre) {
  plan::ProgramT program = handmade::difference();
  program.graphs[0]->nodes[0]->name = "\x1b[31mred\nline";
  program.graphs[0]->nodes[0]->op = 99;
  const std::vector<std::byte> plan = handmade::file_of(program);
  write("evil.plan", {reinterpret_cast<const char*>(plan.data()), plan.size()});
  const auto model = Model::open(path("evil.plan"));
  ASSERT_FALSE(model.ok());
  const std::string& message = model.error().message;
  EXPECT_NE(message.find("?[31mred?line"), std::string::npos) << message;
}

#ifndef POLDER_DEVICE

TEST_F(ModelTest, CompilesWhatItOpens) {
  write("abs.onnx", onnx_file::of("Abs", {"x"}));
  ASSERT_TRUE(compile_file(path("abs.onnx"), path("abs.plan")).ok());
  for (const char* name : {"abs.onnx", "abs.plan"}) {
    auto model = Model::open(path(name));
    ASSERT_TRUE(model.ok()) << model.error().message;
    ASSERT_TRUE(model->run({&input_, 1}).ok());
    EXPECT_EQ(model->output(0).as<float>()[3], 3.F);
  }
}

TEST_F(ModelTest, WhatCannotBeCompiledLeavesNothing) {
  write("abs.onnx", onnx_file::of("Abs", {"x"}));
  write("odd.onnx", onnx_file::of("Odd", {"x"}));
  EXPECT_EQ(compile_file(path("odd.onnx"), path("b.plan")).error().code, Code::kUnsupported);
  EXPECT_EQ(compile_file(path("a.plan"), path("b.plan")).error().code, Code::kInvalid);
  EXPECT_EQ(compile_file(path("abs.onnx"), path("b.plan"), {.target = "vax"}).error().code,
            Code::kInvalid);
  EXPECT_FALSE(compile_file(path("abs.onnx"), path("no/such/b.plan")).ok());
  EXPECT_FALSE(std::filesystem::exists(path("b.plan")));
}

TEST_F(ModelTest, BindingsNeedDataAndExtents) {
  write("add.onnx", onnx_file::of("Add", {"x", "k"}));
  OpenOptions options{.bindings = {{"k", {x_, DataType::kF32, {4, 4}}}}};
  EXPECT_TRUE(Model::open(path("add.onnx"), options).ok());
  for (const TensorView& view : {TensorView{}, TensorView{nullptr, DataType::kF32, {4, 4}},
                                 TensorView{x_, DataType::kF32, {4, -1}}}) {
    options.bindings[0].second = view;
    const auto model = Model::open(path("add.onnx"), options);
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.error().code, Code::kInvalid);
    EXPECT_NE(model.error().message.find("input 'k'"), std::string::npos) << model.error().message;
  }
}

#endif

}  // namespace
}  // namespace polder
