// Pictures and recordings as inputs: sizes, layouts, values, and what is refused.
#include "cli/input_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "pipeline/imaging/encode.h"
#include "platform/file.h"

namespace polder::cli {
namespace {

class InputFile : public testing::Test {
 protected:
  void SetUp() override {
    const testing::TestInfo* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::string(testing::TempDir()) + "/" + info->name();
    ASSERT_TRUE(make_folders(folder_));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ + "/" + name;
    EXPECT_TRUE(write_file_atomic(path, bytes));
    return path;
  }
  // A picture of one colour but for its left half, which is black.
  std::string picture(int width, int height) {
    pipeline::Image image;
    image.resize(width, height);
    for (int y = 0; y < height; ++y) {
      for (int x = width / 2; x < width; ++x) {
        std::uint8_t* rgb = image.pixels.data() + y * image.stride + x * 3;
        rgb[0] = 200, rgb[1] = 100, rgb[2] = 50;
      }
    }
    return file("picture.jpg", *pipeline::encode_jpeg(image, 100));
  }
  // 16-bit mono: sample i is i / 32768.
  std::string recording(int samples) {
    const auto le = [](std::uint32_t value, int bytes) {
      return std::string(reinterpret_cast<const char*>(&value), std::size_t(bytes));
    };
    std::string data;
    for (int i = 0; i < samples; ++i) data += le(std::uint32_t(i), 2);
    return file("sound.wav", "RIFF" + le(std::uint32_t(36 + data.size()), 4) + "WAVEfmt " +
                                 le(16, 4) + le(1, 2) + le(1, 2) + le(1000, 4) + le(2000, 4) +
                                 le(2, 2) + le(16, 2) + "data" + le(std::uint32_t(data.size()), 4) +
                                 data);
  }

  std::string folder_;
};

template <class T>
T at(const OwnedTensor& tensor, std::int64_t i) {
  T value;
  std::memcpy(&value, tensor.data.view.data() + i * std::int64_t(sizeof(T)), sizeof(T));
  return value;
}

// Free extents may be up to 100.
Port port(Shape shape, DataType type = DataType::kF32) {
  Port made{"x", type, shape, shape};
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (shape[axis] < 0) made.bounds[axis] = 100;
  return made;
}

}  // namespace

TEST_F(InputFile, PicturesFillEitherLayout) {
  const std::string path = picture(64, 32);
  InputOptions options;
  options.picture.mean = {100, 0, 0};
  options.picture.scale = {1, 1, 1};
  const auto last = read_input(path, port({1, 4, 8, 3}), options);
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_EQ(last->shape, Shape({1, 4, 8, 3}));
  EXPECT_NEAR(at<float>(*last, 0), -100, 4);
  EXPECT_NEAR(at<float>(*last, 7 * 3), 100, 4);
  EXPECT_NEAR(at<float>(*last, 7 * 3 + 2), 50, 4);
  options.picture.bgr = true;
  const auto first = read_input(path, port({1, 3, -1, 8}), options);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->shape, Shape({1, 3, 32, 8}));  // a free height is the picture's
  EXPECT_NEAR(at<float>(*first, 7), 50 - 100, 4);
  EXPECT_NEAR(at<float>(*first, 2 * 32 * 8 + 7), 200, 4);
}

TEST_F(InputFile, PicturesHaveTheSizeAskedForWhereItIsFree) {
  const std::string path = picture(64, 32);
  InputOptions options;
  options.picture.width = 16;
  options.picture.height = 12;
  EXPECT_EQ(read_input(path, port({1, -1, -1, 3}), options)->shape, Shape({1, 12, 16, 3}));
  EXPECT_EQ(read_input(path, port({3, -1, 16}), options)->shape, Shape({3, 12, 16}));
  EXPECT_EQ(read_input(path, port({3, -1, 17}), options).error().code, Code::kInvalid);
  options.picture.width = 101;
  EXPECT_EQ(read_input(path, port({3, -1, -1}), options).error().code, Code::kInvalid);
}

TEST_F(InputFile, NumbersFitScalarsAndVectors) {
  const auto scalar = written_input("16000", port({}, DataType::kI64));
  ASSERT_TRUE(scalar) << scalar.error().message;
  EXPECT_EQ(scalar->shape, Shape());
  EXPECT_EQ(at<std::int64_t>(*scalar, 0), 16000);
  const auto vector = written_input("1,0.5,2", port({-1}));
  ASSERT_TRUE(vector) << vector.error().message;
  EXPECT_EQ(vector->shape, Shape({3}));
  EXPECT_EQ(at<float>(*vector, 1), 0.5F);
  EXPECT_EQ(written_input("0.5", port({}, DataType::kI64)).error().code, Code::kInvalid);
  EXPECT_EQ(written_input("1,2", port({3})).error().code, Code::kInvalid);
  EXPECT_EQ(written_input("a", port({})).error().code, Code::kInvalid);
}

TEST_F(InputFile, IntegersTakeThePixel) {
  const std::string path = picture(64, 32);
  const auto raw = read_input(path, port({4, 8, 3}, DataType::kU8), {});
  ASSERT_TRUE(raw) << raw.error().message;
  EXPECT_NEAR(at<std::uint8_t>(*raw, 7 * 3), 200, 4);
  const auto shifted = read_input(path, port({4, 8, 1}, DataType::kI8), {});
  ASSERT_TRUE(shifted) << shifted.error().message;
  EXPECT_NEAR(at<std::int8_t>(*shifted, 7), 124 - 128, 4);
  InputOptions options;
  options.picture.given = true;
  EXPECT_EQ(read_input(path, port({4, 8, 3}, DataType::kU8), options).error().code, Code::kInvalid);
}

// A line across the picture: 64 wide, black and then coloured at the middle.
TEST_F(InputFile, PicturesFitInThreeWays) {
  const std::string path = picture(64, 32);
  InputOptions options;
  options.picture.scale = {1, 1, 1};
  const auto line = [&](pipeline::Fit fit, int row) {
    options.picture.fit = fit;
    const auto tensor = read_input(path, port({1, 8, 8, 3}), options);
    EXPECT_TRUE(tensor) << tensor.error().message;
    std::vector<float> values;
    for (int x = 0; tensor && x < 8; ++x) values.push_back(at<float>(*tensor, (row * 8 + x) * 3));
    return values;
  };
  const auto expect_half = [](const std::vector<float>& values) {
    ASSERT_EQ(values.size(), 8u);
    for (std::size_t x = 0; x < 8; ++x) EXPECT_NEAR(values[x], x < 4 ? 0 : 200, 4) << x;
  };
  for (int row = 0; row < 8; ++row) {
    expect_half(line(pipeline::Fit::kStretch, row));
    expect_half(line(pipeline::Fit::kCrop, row));
    if (row >= 2 && row < 6) expect_half(line(pipeline::Fit::kLetterbox, row));
    else EXPECT_EQ(line(pipeline::Fit::kLetterbox, row), std::vector<float>(8, 114));
  }
}

TEST_F(InputFile, RecordingsStartWhereAskedAndEndInSilence) {
  const std::string path = recording(10);
  InputOptions options;
  EXPECT_EQ(read_input(path, port({1, 6}), options).error().code, Code::kInvalid);  // 16 kHz
  options.rate_hz = 1000;
  options.from_s = 0.006;
  const auto cut = read_input(path, port({1, 6}), options);
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_EQ(at<float>(*cut, 0), 6.0F / 32768);
  EXPECT_EQ(at<float>(*cut, 3), 9.0F / 32768);
  EXPECT_EQ(at<float>(*cut, 4), 0);
  EXPECT_EQ(read_input(path, port({-1}), options)->shape, Shape({4}));
  options.from_s = 1;
  EXPECT_EQ(read_input(path, port({1, 6}), options).error().code, Code::kInvalid);
}

TEST_F(InputFile, WhatDoesNotFitNamesTheFileAndTheInput) {
  const auto refused = [&](const std::string& path, const Port& wanted, std::string_view why) {
    const auto tensor = read_input(path, wanted, {});
    ASSERT_FALSE(tensor);
    EXPECT_NE(tensor.error().message.find(why), std::string::npos) << tensor.error().message;
    EXPECT_TRUE(tensor.error().message.starts_with(path)) << tensor.error().message;
  };
  const std::string shown = picture(64, 32), heard = recording(10);
  refused(shown, port({1, 10}), "input 'x'");
  refused(shown, port({1, 4, 4, 3}, DataType::kI64), "i64");
  refused(heard, port({1, 4, 4, 3}), "input 'x'");
  refused(heard, port({1, 6}, DataType::kI8), "i8");
  refused(file("text", "hello"), port({1}), "not an .npy, JPEG, PNG or WAVE file");
  refused(file("cut.jpg", "\xFF\xD8\xFF"), port({1, 4, 4, 3}), "");
  refused(folder_ + "/absent", port({1}), "");
}

TEST(Zeros, AreOneLongWhereFree) {
  const auto tensor = zeros(port({-1, 3}));
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->shape, Shape({1, 3}));
  EXPECT_EQ(at<float>(*tensor, 2), 0);
  const auto empty = zeros(port({2, 0}));
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->shape, Shape({2, 0}));
}

}  // namespace polder::cli
