#include "platform/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <map>

#include "platform/clock.h"

namespace {
std::atomic<int> g_syncs = 0;
}
// In place of the C library's, in this program: counted.
extern "C" int fsync(int fd) {
  ++g_syncs;
  return int(::syscall(SYS_fsync, fd));
}

namespace polder {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/polder_file_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  int entries() const {
    int count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++count;
    return count;
  }
  std::string folder_;
};

TEST_F(FileTest, AtomicWriteThenReadAndMap) {
  const std::string path = folder_ + "/a.txt";
  ASSERT_TRUE(write_file_atomic(path, "one").ok());
  ASSERT_TRUE(write_file_atomic(path, "polder").ok());
  EXPECT_EQ(*read_file(path, 100), "polder");
  auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(mapped->bytes().size(), 6u);
  EXPECT_EQ(char(mapped->bytes()[0]), 'p');
  EXPECT_EQ(entries(), 1);
}

TEST_F(FileTest, ErrorsNameThePath) {
  const auto missing = read_file(folder_ + "/none", 10);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_NE(missing.error().message.find("/none"), std::string::npos);
  ASSERT_TRUE(write_file_atomic(folder_ + "/big", "0123456789").ok());
  EXPECT_EQ(read_file(folder_ + "/big", 9).error().code, Code::kExhausted);
  EXPECT_EQ(read_file(folder_, 9).error().code, Code::kInvalid);
  EXPECT_FALSE(MappedFile::open(folder_ + "/none").ok());
  EXPECT_FALSE(write_file_atomic(folder_ + "/no/such/folder", "x").ok());
}

TEST_F(FileTest, StreamsInPieces) {
  const std::string path = folder_ + "/long", bytes(1'000'000, 'x');
  ASSERT_TRUE(write_file_atomic(path, bytes).ok());
  std::string got;
  const auto take = [&](std::string_view piece) { return got += piece, Status(); };
  EXPECT_EQ(stream_file(path, bytes.size(), take).value(), bytes.size());
  EXPECT_EQ(got, bytes);
  EXPECT_EQ(stream_file(path, bytes.size() - 1, take).error().code, Code::kExhausted);
  EXPECT_EQ(stream_file(folder_, 10, take).error().code, Code::kInvalid);
  EXPECT_EQ(stream_file(folder_ + "/none", 10, take).error().code, Code::kNotFound);
  const auto refuse = [](std::string_view) -> Status { return Error{Code::kDenied, "no"}; };
  EXPECT_EQ(stream_file(path, bytes.size(), refuse).error().code, Code::kDenied);
}

TEST_F(FileTest, RemovesAndIsFineWithoutTheFile) {
  const std::string path = folder_ + "/gone";
  ASSERT_TRUE(write_file_atomic(path, "x"));
  EXPECT_TRUE(remove_file(path));
  EXPECT_EQ(read_file(path, 10).error().code, Code::kNotFound);
  EXPECT_TRUE(remove_file(path));
  EXPECT_FALSE(remove_file(folder_));  // a folder is no file
}

TEST_F(FileTest, MovesInPlaceOfWhatIsThere) {
  const std::string from = folder_ + "/from", to = folder_ + "/to";
  ASSERT_TRUE(write_file_atomic(from, "new"));
  ASSERT_TRUE(write_file_atomic(to, "old"));
  ASSERT_TRUE(move_files({{from, to}}));
  EXPECT_EQ(read_file(to, 10).value(), "new");
  EXPECT_EQ(move_files({{from, to}}).error().code, Code::kNotFound);
  EXPECT_EQ(read_file(to, 10).value(), "new");
}

TEST_F(FileTest, MovesManyAndSyncsEachFolderOnce) {
  std::map<std::string, std::string> moves;
  ASSERT_TRUE(make_folders(folder_ + "/waits"));
  for (int i = 0; i < 30; ++i) {
    const std::string from = folder_ + "/waits/" + std::to_string(i);
    ASSERT_TRUE(write_file_atomic(from, std::to_string(i)));
    moves[from] = folder_ + (i % 2 ? "/a" : "/b/c") + "/" + std::to_string(i);
  }
  g_syncs = 0;
  ASSERT_TRUE(move_files(moves));
  // Three folders that hold the files, and those that hold the three that are made.
  EXPECT_LE(g_syncs, 6);
  EXPECT_GE(g_syncs, 3);
  for (const auto& [from, to] : moves) {
    EXPECT_FALSE(read_file(from, 10).ok());
    EXPECT_EQ(read_file(to, 10).value(), to.substr(to.rfind('/') + 1));
  }
  // What is not there ends it.
  EXPECT_EQ(move_files(moves).error().code, Code::kNotFound);
}

TEST_F(FileTest, WritesManyAndGivesSecondNames) {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 30; ++i)
    files[folder_ + (i % 2 ? "/a/" : "/b/c/") + std::to_string(i)] = std::to_string(i);
  ASSERT_TRUE(write_files(files));
  for (const auto& [path, bytes] : files) EXPECT_EQ(read_file(path, 10).value(), bytes);
  const std::string first = folder_ + "/b/c/0", second = folder_ + "/d/e";
  ASSERT_TRUE(write_files({{first, "shorter"}, {folder_ + "/b/c/2", ""}}));
  EXPECT_EQ(read_file(first, 10).value(), "shorter");
  EXPECT_EQ(read_file(folder_ + "/b/c/2", 10).value(), "");
  EXPECT_FALSE(write_files({{folder_ + "/b/c", "a folder"}}).ok());
  ASSERT_TRUE(link_file(first, second));
  ASSERT_TRUE(link_file(first, second)) << "it is there already";
  ASSERT_TRUE(remove_file(first));
  EXPECT_EQ(read_file(second, 10).value(), "shorter");
  EXPECT_EQ(link_file(first, folder_ + "/f").error().code, Code::kNotFound);
}

TEST_F(FileTest, MovesToAnotherFileSystem) {
  struct stat here {
  }, there{};
  const std::string from = folder_ + "/from";
  const std::string to = "/dev/shm/file_test_" + std::to_string(::getpid());
  if (::stat(folder_.c_str(), &here) != 0 || ::stat("/dev/shm", &there) != 0 ||
      here.st_dev == there.st_dev || !write_file_atomic(to, "old").ok()) {
    GTEST_SKIP() << "one file system";
  }
  ASSERT_TRUE(write_file_atomic(from, "new"));
  EXPECT_TRUE(move_files({{from, to}}));
  EXPECT_EQ(read_file(to, 10).value(), "new");
  EXPECT_EQ(read_file(from, 10).error().code, Code::kNotFound);
  EXPECT_TRUE(remove_file(to));
}

TEST_F(FileTest, ListsByName) {
  for (const char* name : {"/b", "/a", "/c"})
    ASSERT_TRUE(write_file_atomic(folder_ + name, "").ok());
  const auto names = list_folder(folder_, 3);
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(*names, (std::vector<std::string>{folder_ + "/a", folder_ + "/b", folder_ + "/c"}));
  EXPECT_EQ(list_folder(folder_, 2).error().code, Code::kExhausted);
  EXPECT_EQ(list_folder(folder_ + "/none", 2).error().code, Code::kNotFound);
}

TEST_F(FileTest, WithoutCommitNothingStays) {
  DiskStore disk;
  {
    auto file = disk.create(folder_ + "/half");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->write("half").ok());
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/half"));
  }
  EXPECT_EQ(entries(), 0);
}

TEST_F(FileTest, SeekOverwrites) {
  DiskStore disk;
  auto file = disk.create(folder_ + "/s");
  ASSERT_TRUE((*file)->write("hello world").ok());
  ASSERT_TRUE((*file)->seek(0).ok());
  ASSERT_TRUE((*file)->write("J").ok());
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_EQ(*read_file(folder_ + "/s", 100), "Jello world");
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mode : 0;
}

TEST_F(FileTest, ALinkStaysAndItsTargetIsReplaced) {
  namespace fs = std::filesystem;
  ASSERT_TRUE(make_folders(folder_ + "/real").ok());
  const std::string file = folder_ + "/real/file", link = folder_ + "/link";
  ASSERT_TRUE(write_file_atomic(file, "old").ok());
  fs::create_symlink("real/file", link);
  fs::create_symlink(link, folder_ + "/real/again");
  ASSERT_TRUE(write_file_atomic(folder_ + "/real/again", "new").ok());
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_FALSE(fs::is_symlink(file));
  EXPECT_EQ(*read_file(file, 10), "new");

  fs::create_symlink("real/later", folder_ + "/dangling");
  ASSERT_TRUE(write_file_atomic(folder_ + "/dangling", "made").ok());
  EXPECT_EQ(*read_file(folder_ + "/real/later", 10), "made");
  fs::create_symlink("round", folder_ + "/round");
  const Status round = write_file_atomic(folder_ + "/round", "x");
  ASSERT_FALSE(round.ok());
  EXPECT_NE(round.error().message.find("/round: cannot open"), std::string::npos)
      << round.error().message;
}

TEST_F(FileTest, AnExistingFileKeepsItsPermissions) {
  const std::string path = folder_ + "/private";
  ASSERT_TRUE(write_file_atomic(path, "old").ok());
  for (const mode_t mode : {0600u, 0755u, 0666u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    ASSERT_TRUE(write_file_atomic(path, "new").ok());
    EXPECT_EQ(mode_of(path) & 07777, mode);
  }
  const mode_t before = ::umask(077);
  EXPECT_TRUE(write_file_atomic(folder_ + "/fresh", "x").ok());
  ::umask(before);
  EXPECT_EQ(mode_of(folder_ + "/fresh") & 07777, 0600u);
}

constexpr uid_t kNobody = 65534;

TEST_F(FileTest, AFileThatMayNotBeWrittenStays) {
  const std::string path = folder_ + "/read-only";
  ASSERT_TRUE(write_file_atomic(path, "old").ok());
  ASSERT_EQ(::chmod(path.c_str(), 0444), 0);
  const bool root = ::geteuid() == 0;  // who may write anything
  if (root) {
    ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
    ASSERT_EQ(::chown(path.c_str(), kNobody, kNobody), 0);
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const Status status = write_file_atomic(path, "new");
  ASSERT_EQ(root ? ::seteuid(0) : 0, 0);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kDenied);
  EXPECT_EQ(*read_file(path, 10), "old");
}

// What others put into /tmp does not lead root's files astray.
TEST_F(FileTest, AnotherUsersLinkInASharedFolderIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a link that belongs to another user";
  const std::string shared = folder_ + "/shared", file = folder_ + "/file", link = shared + "/link";
  ASSERT_TRUE(make_folders(shared).ok());
  ASSERT_TRUE(write_file_atomic(file, "old").ok());
  std::filesystem::create_symlink(file, link);
  ASSERT_EQ(::lchown(link.c_str(), kNobody, kNobody), 0);
  ASSERT_TRUE(write_file_atomic(link, "1").ok());  // a folder of our own
  ASSERT_EQ(::chmod(shared.c_str(), 01777), 0);
  const Status status = write_file_atomic(link, "2");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kDenied);
  EXPECT_NE(status.error().message.find("another user's link"), std::string::npos)
      << status.error().message;
  EXPECT_EQ(*read_file(file, 10), "1");
}

TEST_F(FileTest, WithoutProcATemporaryNameServes) {
  DiskStore disk("/nonexistent/proc");
  const std::string path = folder_ + "/" + std::string(250, 'n');  // no room for a longer name
  for (const std::string_view text : {"one", "two"}) {
    auto file = disk.create(path);
    ASSERT_TRUE(file.ok()) << file.error().message;
    ASSERT_TRUE((*file)->write(text).ok());
    EXPECT_EQ(entries(), text == "one" ? 1 : 2);
    ASSERT_TRUE((*file)->commit().ok());
    EXPECT_EQ(*read_file(path, 10), text);
    EXPECT_EQ(entries(), 1);
  }
  {
    auto file = disk.create(path);
    ASSERT_TRUE((*file)->write("half").ok());
  }
  EXPECT_EQ(*read_file(path, 10), "two");
  EXPECT_EQ(entries(), 1);
}

TEST_F(FileTest, APipeIsWrittenTo) {
  const std::string path = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  ASSERT_TRUE(write_file_atomic(path, "through").ok());
  char text[16] = {};
  EXPECT_EQ(::read(reader, text, sizeof text), 7);
  EXPECT_STREQ(text, "through");
  EXPECT_TRUE(S_ISFIFO(mode_of(path)));
  ::close(reader);
}

// As /dev/stdout is a link to /proc/self/fd/1, whatever that is open on.
TEST_F(FileTest, AnOpenDescriptorIsWrittenToWhereItIs) {
  const std::string path = folder_ + "/redirected", link = folder_ + "/stdout";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(fd, "before ", 7), 7);
  std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(fd), link);
  ASSERT_TRUE(write_file_atomic(link, "written ").ok());
  ASSERT_EQ(::write(fd, "after", 5), 5);
  EXPECT_EQ(*read_file(path, 100), "before written after");
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  ::unlink(path.c_str());
  EXPECT_TRUE(write_file_atomic(link, "nowhere").ok());
  EXPECT_EQ(entries(), 1);
  ::close(fd);
  EXPECT_FALSE(write_file_atomic(link, "closed").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST_F(FileTest, ResolvesOnlyWithinTheFolder) {
  ASSERT_TRUE(make_folders(folder_ + "/in/sub").ok());
  ASSERT_TRUE(write_file_atomic(folder_ + "/in/sub/data", "x").ok());
  ASSERT_TRUE(write_file_atomic(folder_ + "/secret", "x").ok());
  std::filesystem::create_symlink(folder_ + "/secret", folder_ + "/in/link");
  const auto inside = resolve_within(folder_ + "/in", "sub/data");
  ASSERT_TRUE(inside.ok()) << inside.error().message;
  EXPECT_EQ(*read_file(*inside, 10), "x");
  for (const std::string& path : {std::string("../secret"), folder_ + "/secret",
                                  std::string("sub/../../secret"), std::string("link")}) {
    const auto outside = resolve_within(folder_ + "/in", path);
    ASSERT_FALSE(outside.ok()) << path;
    EXPECT_EQ(outside.error().code, Code::kDenied) << path;
  }
  EXPECT_EQ(resolve_within(folder_ + "/in", "none").error().code, Code::kNotFound);
}

TEST_F(FileTest, ReleasedPagesAreReadAgain) {
  const std::string text(50000, 'p');
  ASSERT_TRUE(write_file_atomic(folder_ + "/m", text).ok());
  const auto mapped = MappedFile::open(folder_ + "/m");
  ASSERT_TRUE(mapped.ok());
  mapped->release(mapped->bytes().subspan(100));
  EXPECT_EQ(std::memcmp(mapped->bytes().data(), text.data(), text.size()), 0);
}

TEST(DiskStore, WritesToDevicesInsteadOfReplacingThem) {
  namespace fs = std::filesystem;
  char folder[] = "/tmp/polder_file_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string null = folder + std::string("/null"), full = folder + std::string("/full");
  fs::create_symlink("/dev/null", null);
  fs::create_symlink("/dev/full", full);
  EXPECT_TRUE(write_file_atomic(null, "abc").ok());
  EXPECT_TRUE(fs::is_symlink(null));
  EXPECT_EQ(write_file_atomic(full, "abc").error().code, Code::kExhausted);
  EXPECT_TRUE(fs::is_symlink(full));
  EXPECT_EQ(write_file_atomic(folder, "abc").error().code, Code::kInvalid);
  fs::remove_all(folder);
}

TEST(MemoryStore, FullDiskFailsAndKeepsNothing) {
  MemoryStore store(8);
  auto file = store.create("x");
  ASSERT_TRUE((*file)->write("12345678").ok());
  ASSERT_TRUE((*file)->seek(0).ok());
  ASSERT_TRUE((*file)->write("abc").ok());  // in place: no growth
  ASSERT_TRUE((*file)->seek(8).ok());
  const Status full = (*file)->write("9");
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::kExhausted);
  EXPECT_TRUE(store.files().empty());
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_EQ(store.files().at("x"), "abc45678");
}

TEST(Clock, ManualMovesOnlyForward) {
  ManualClock clock;
  clock.sleep_until_us(50);
  clock.sleep_until_us(20);
  EXPECT_EQ(clock.now_us(), 50);
  SystemClock system;
  const auto before = system.now_us();
  system.sleep_until_us(before + 1000);
  EXPECT_GE(system.now_us(), before + 1000);
}

}  // namespace
}  // namespace polder
