// A sealed plan runs as the plain one does, from memory that no file backs.
#include <gtest/gtest.h>
#include <polder/model.h>

#include <cstdio>
#include <fstream>

#include "platform/file.h"
#include "platform/temporary.h"
#include "runtime/testing.h"
#include "trust/sealed_file.h"
#include "trust/testing.h"

namespace polder {
namespace {

std::vector<float> run(Model& model) {
  float x[16];
  for (int i = 0; i < 16; ++i) x[i] = float(i * i) - 40.5f;
  const TensorView input{x, DataType::kF32, {4, 4}};
  EXPECT_TRUE(model.run({&input, 1}).ok());
  const float* y = model.output(0).as<float>();
  return {y, y + 16};
}

// Whether the mapping at an address has a file behind it.
bool is_backed_by_file(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0, inode = 0;
    std::sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %lu", &begin, &end, &inode);
    const auto at = reinterpret_cast<unsigned long>(address);
    if (at >= begin && at < end) return inode != 0;
  }
  return true;
}

TEST(SealedPlan, RunsAsThePlainOne) {
  const std::vector<std::byte> plan = handmade::file_of(handmade::difference());
  const std::string plain(reinterpret_cast<const char*>(plan.data()), plan.size());
  const TemporaryFile plain_file = TemporaryFile::create(".plan").value();
  const TemporaryFile sealed_file = TemporaryFile::create(".sealed").value();
  ASSERT_TRUE(write_file_atomic(plain_file.path(), plain));
  const auto device = trust::new_device(), stranger = trust::new_device();
  DiskStore disk;
  auto out = disk.create(sealed_file.path()).value();
  const auto key = trust::seal_file(*open_readable(plain_file.path()).value(), *out).value();
  ASSERT_TRUE(out->commit());
  trust::SealedKeys keys(key);
  ASSERT_TRUE(keys.add(key, device->public_key()));
  EXPECT_EQ(keys.open(*stranger).error().code, Code::kDenied);

  const auto file = open_readable(sealed_file.path()).value();
  auto sealed = trust::SealedFile::open(*file, keys.open(*device).value()).value();
  auto memory = std::make_shared<const PrivateMemory>(sealed.open_all().value());
  ASSERT_EQ(memory->bytes().size(), plain.size());
  EXPECT_FALSE(is_backed_by_file(memory->bytes().data()));
  auto from_memory = Model::open_plan(memory, memory->bytes()).value();
  memory.reset();
  auto from_file = Model::open(plain_file.path()).value();
  EXPECT_EQ(run(from_memory), run(from_file));
  EXPECT_EQ(Model::open(sealed_file.path()).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace polder
