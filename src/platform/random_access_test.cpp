#include "platform/random_access.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>

#include "platform/file.h"
#include "platform/temporary.h"

namespace polder {
namespace {

std::string read_all(const ReadableFile& file) {
  std::string bytes(file.size(), '\0');
  EXPECT_TRUE(file.read(0, bytes));
  return bytes;
}

TEST(RandomAccess, AppendsReadsAndCutsOff) {
  const TemporaryFile temporary = TemporaryFile::create(".log").value();
  {
    auto file = open_append(temporary.path()).value();
    EXPECT_EQ(file->size(), 0u);
    EXPECT_TRUE(file->append("one\n"));
    EXPECT_TRUE(file->append("two\n"));
    EXPECT_TRUE(file->truncate(6));
    EXPECT_TRUE(file->append("\n"));
    EXPECT_EQ(read_all(*file), "one\ntw\n");
  }
  const auto file = open_readable(temporary.path()).value();
  EXPECT_EQ(file->size(), 7u);
  std::array<char, 3> part;
  EXPECT_TRUE(file->read(3, part));
  EXPECT_EQ(std::string_view(part.data(), 3), "\ntw");
  EXPECT_EQ(file->read(5, part).error().code, Code::kCorrupt);
  EXPECT_EQ(file->read(UINT64_MAX >> 1, part).error().code, Code::kCorrupt);
}

TEST(RandomAccess, HasOneWriter) {
  const TemporaryFile temporary = TemporaryFile::create(".log").value();
  auto file = open_append(temporary.path()).value();
  EXPECT_EQ(open_append(temporary.path()).error().code, Code::kUnavailable);
  EXPECT_TRUE(open_readable(temporary.path()));
  file.reset();
  EXPECT_TRUE(open_append(temporary.path()));
}

TEST(RandomAccess, NewFilesAreTheOwnersAlone) {
  const TemporaryFile temporary = TemporaryFile::create(".log").value();
  const std::string path = temporary.path() + ".new";
  EXPECT_EQ(open_readable(path).error().code, Code::kNotFound);
  EXPECT_TRUE(open_append(path));
  EXPECT_EQ(int(std::filesystem::status(path).permissions()), 0600);
  ::unlink(path.c_str());
  EXPECT_EQ(open_append("/nowhere/at/all").error().code, Code::kNotFound);
  EXPECT_EQ(open_readable("/dev/null").error().code, Code::kInvalid);
  EXPECT_EQ(open_append("/dev/null").error().code, Code::kInvalid);
}

// The system takes only part of a write: the file is cut back to what was whole.
TEST(RandomAccess, AFailedAppendLeavesNothing) {
  const TemporaryFile temporary = TemporaryFile::create(".log").value();
  auto file = open_append(temporary.path()).value();
  EXPECT_TRUE(file->append("0123456789"));
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{15, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const Status status = file->append("abcdefghij");
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(read_file(temporary.path(), 100).value(), "0123456789");
  EXPECT_TRUE(file->append("x"));
  EXPECT_EQ(read_all(*file), "0123456789x");
}

TEST(RandomAccess, TheFakeFillsUp) {
  MemoryAppendFile file("ab", 4);
  EXPECT_EQ(file.append("cde").error().code, Code::kExhausted);
  EXPECT_TRUE(file.append("cd"));
  EXPECT_TRUE(file.truncate(1));
  EXPECT_EQ(read_all(file), "a");
  std::array<char, 2> part;
  EXPECT_EQ(file.read(0, part).error().code, Code::kCorrupt);
}

TEST(RandomAccess, BelowAFolderNothingLeadsElsewhere) {
  namespace fs = std::filesystem;
  const TemporaryFile temporary = TemporaryFile::create(".folder").value();
  const std::string folder = temporary.path() + ".d";
  fs::create_directories(folder + "/in/a");
  ASSERT_TRUE(write_file_atomic(folder + "/secret", "secret"));
  ASSERT_TRUE(write_file_atomic(folder + "/in/a/file", "text"));
  fs::create_symlink(folder, folder + "/in/out");
  fs::create_symlink(folder + "/secret", folder + "/in/link");
  const std::string in = folder + "/in";
  EXPECT_EQ(read_all(*open_readable_below(in, {"a", "file"}).value()), "text");
  const std::vector<std::vector<std::string>> wrong = {{"..", "secret"},
                                                       {"a", "..", "..", "secret"},
                                                       {"../secret"},
                                                       {"out", "secret"},
                                                       {"link"},
                                                       {"a/file"},
                                                       {""},
                                                       {"."},
                                                       {"none"},
                                                       {"a", "file", "more"},
                                                       {std::string("a\0b", 3)},
                                                       {std::string(300, 'a')}};
  for (const auto& names : wrong)
    EXPECT_EQ(open_readable_below(in, names).error().code, Code::kNotFound) << names.back();
  EXPECT_EQ(open_readable_below(in, {"a"}).error().code, Code::kInvalid);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace polder
