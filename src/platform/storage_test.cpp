// One suite for the disk and for its fake; then what only the fake can do.
#include "platform/storage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "platform/file.h"
#include "platform/process.h"
#include "platform/storage_fake.h"

namespace polder {
namespace {

class StorageTest : public testing::TestWithParam<bool> {
 protected:
  StorageTest() {
    if (!is_disk()) {
      storage_ = std::make_unique<FakeStorage>();
      return;
    }
    char path[] = "/tmp/polder-storage-XXXXXX";
    EXPECT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
    auto disk = DiskStorage::at(folder_ + "/state");
    EXPECT_TRUE(disk.ok());
    storage_ = std::move(*disk);
  }
  ~StorageTest() override {
    if (!is_disk()) return;
    EXPECT_TRUE(run_process({"rm", "-r", folder_}, 100).ok());
  }
  static bool is_disk() { return GetParam(); }
  std::string text(const std::string& name) {
    auto bytes = read_stored(*storage_, name, 1000);
    return bytes.ok() ? *bytes : std::string(code_name(bytes.error().code));
  }
  Code code(const Status& status) {
    EXPECT_FALSE(status.ok());
    return status.ok() ? Code::kUnsupported : status.error().code;
  }
  std::string folder_;
  std::unique_ptr<Storage> storage_;
};

TEST_P(StorageTest, Replace) {
  EXPECT_EQ(text("a"), "not_found");
  ASSERT_TRUE(replace_stored(*storage_, "a", "one").ok());
  EXPECT_EQ(text("a"), "one");
  ASSERT_TRUE(replace_stored(*storage_, "a", "").ok());
  EXPECT_EQ(text("a"), "");
  ASSERT_TRUE(replace_stored(*storage_, "a", std::string(2000, 'x')).ok());
  EXPECT_EQ(text("a"), "exhausted");
  EXPECT_EQ(*storage_->list("", 10), std::vector<std::string>{"a"});
}

TEST_P(StorageTest, InPlace) {
  auto file = storage_->create("blob");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->reserve(100).ok());
  EXPECT_EQ(*(*file)->size(), 0u);
  ASSERT_TRUE((*file)->write(5, "world").ok());
  ASSERT_TRUE((*file)->write(0, "hello").ok());
  ASSERT_TRUE((*file)->sync().ok());
  EXPECT_EQ(text("blob"), "helloworld");
  char bytes[20];
  EXPECT_EQ(*(*file)->read(7, bytes), 3u);
  EXPECT_EQ(std::string(bytes, 3), "rld");
  EXPECT_EQ(*(*file)->read(10, bytes), 0u);
  ASSERT_TRUE((*file)->truncate(4).ok());
  EXPECT_EQ(text("blob"), "hell");
  ASSERT_TRUE((*file)->write(6, "!").ok());
  EXPECT_EQ(text("blob"), std::string("hell\0\0!", 7));
  // Opened again it is as it was, created again it is empty.
  EXPECT_EQ(*(*storage_->open("blob"))->size(), 7u);
  EXPECT_EQ(*(*storage_->create("blob"))->size(), 0u);
}

TEST_P(StorageTest, Folders) {
  EXPECT_EQ(code(replace_stored(*storage_, "f/g/a", "x")), Code::kNotFound);
  EXPECT_TRUE(storage_->remove("f/a").ok());
  ASSERT_TRUE(storage_->make_folder("f/g").ok());
  ASSERT_TRUE(storage_->make_folder("f/g").ok());
  ASSERT_TRUE(replace_stored(*storage_, "f/g/a", "x").ok());
  ASSERT_TRUE(replace_stored(*storage_, "f/b", "y").ok());
  EXPECT_EQ(*storage_->list("f", 10), (std::vector<std::string>{"b", "g/"}));
  EXPECT_EQ(storage_->list("f", 1).error().code, Code::kExhausted);
  EXPECT_EQ(storage_->list("none", 1).error().code, Code::kNotFound);
  ASSERT_TRUE(storage_->rename("f/g/a", "c").ok());
  EXPECT_EQ(text("c"), "x");
  EXPECT_EQ(text("f/g/a"), "not_found");
  EXPECT_EQ(code(storage_->rename("none", "d")), Code::kNotFound);
  ASSERT_TRUE(storage_->remove("c").ok());
  EXPECT_EQ(text("c"), "not_found");
  EXPECT_FALSE(storage_->open("f").ok());
  EXPECT_FALSE(storage_->create("f").ok());
  EXPECT_EQ(code(storage_->sync("none")), Code::kNotFound);
}

TEST_P(StorageTest, SecondNames) {
  ASSERT_TRUE(storage_->make_folder("f").ok());
  ASSERT_TRUE(replace_stored(*storage_, "a", "text").ok());
  ASSERT_TRUE(storage_->link("a", "f/b").ok());
  EXPECT_EQ(code(storage_->link("a", "f/b")), Code::kIo);  // taken
  EXPECT_EQ(code(storage_->link("none", "f/c")), Code::kNotFound);
  ASSERT_TRUE((*storage_->open("f/b"))->write(0, "T").ok());
  EXPECT_EQ(text("a"), "Text");
  ASSERT_TRUE(storage_->remove("a").ok());
  EXPECT_EQ(text("f/b"), "Text");
  EXPECT_TRUE(storage_->make_executable("f/b").ok());
  EXPECT_EQ(code(storage_->make_executable("a")), Code::kNotFound);
  ASSERT_TRUE(copy_stored(*storage_, "f/b", "copy").ok());
  EXPECT_EQ(text("copy"), "Text");
  const std::string large(1'000'000, 'x');
  ASSERT_TRUE(replace_stored(*storage_, "large", large).ok());
  ASSERT_TRUE(copy_stored(*storage_, "large", "copy").ok());
  EXPECT_EQ(read_stored(*storage_, "copy", large.size()).value(), large);
}

TEST_P(StorageTest, Names) {
  for (const std::string name : {"", "/", "/etc/passwd", "..", "../a", "a/../b", "a//b", "a/",
                                 ".hidden", "a b", "a\n", "a/b/c/d/e/f", "\xc3\xa9"}) {
    EXPECT_EQ(storage_->open(name).error().code, Code::kInvalid) << name;
    EXPECT_EQ(code(storage_->rename("a", name)), Code::kInvalid) << name;
  }
  EXPECT_EQ(storage_->create(std::string(201, 'a')).error().code, Code::kInvalid);
  EXPECT_TRUE(check_storage_name("a/b/c/d/e.json-1_2").ok());
}

TEST_P(StorageTest, Lock) {
  auto first = storage_->lock("lock");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(storage_->lock("lock").error().code, Code::kUnavailable);
  first->reset();
  EXPECT_TRUE(storage_->lock("lock").ok());
}

TEST_P(StorageTest, FreeSpace) {
  auto free = storage_->free_bytes();
  ASSERT_TRUE(free.ok());
  EXPECT_GT(*free, 0u);
  EXPECT_EQ(code((*storage_->create("huge"))->reserve(std::uint64_t(1) << 62)), Code::kExhausted);
}

TEST_P(StorageTest, Counter) {
  FileCounter counter(*storage_, "floor");
  EXPECT_EQ(*counter.value(), 0u);
  ASSERT_TRUE(counter.raise(7).ok());
  ASSERT_TRUE(counter.raise(7).ok());
  EXPECT_EQ(code(counter.raise(6)), Code::kDenied);
  EXPECT_EQ(*counter.value(), 7u);
  ASSERT_TRUE(counter.raise(UINT64_MAX).ok());
  EXPECT_EQ(*FileCounter(*storage_, "floor").value(), UINT64_MAX);
  for (const char* damaged :
       {"", "7", "polder counter 1: \n", "polder counter 1: 7", "polder counter 1: -7\n",
        "polder counter 1: 7 \n", "polder counter 1: 99999999999999999999\n"}) {
    ASSERT_TRUE(replace_stored(*storage_, "floor", damaged).ok());
    EXPECT_EQ(counter.value().error().code, Code::kCorrupt) << damaged;
    EXPECT_EQ(code(counter.raise(9)), Code::kCorrupt) << damaged;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, StorageTest, testing::Bool(),
                         [](const auto& which) { return which.param ? "Disk" : "Fake"; });

TEST(DiskStorage, LinksAreNotFollowed) {
  char path[] = "/tmp/polder-storage-XXXXXX";
  ASSERT_NE(::mkdtemp(path), nullptr);
  const std::string folder = path;
  auto disk = DiskStorage::at(folder + "/s");
  ASSERT_TRUE(disk.ok());
  ASSERT_EQ(::symlink("/etc/passwd", (folder + "/s/link").c_str()), 0);
  ASSERT_EQ(::symlink("/etc", (folder + "/s/etc").c_str()), 0);
  EXPECT_FALSE((*disk)->open("link").ok());
  EXPECT_FALSE((*disk)->create("link").ok());
  EXPECT_FALSE((*disk)->open("etc/passwd").ok());
  EXPECT_FALSE((*disk)->list("etc", 1000).ok());
  // Nobody else's.
  struct stat info {};
  ASSERT_EQ(::stat((folder + "/s").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u);
  ASSERT_TRUE(replace_stored(**disk, "a", "x").ok());
  ASSERT_EQ(::stat((folder + "/s/a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u);
  EXPECT_EQ((*disk)->path("a"), folder + "/s/a");
  // A pipe is refused, not waited for.
  ASSERT_EQ(::mkfifo((folder + "/s/pipe").c_str(), 0600), 0);
  EXPECT_EQ((*disk)->open("pipe").error().code, Code::kInvalid);
  EXPECT_TRUE(run_process({"rm", "-r", folder}, 100).ok());
}

TEST(FakeStorage, FaultsOfEachCall) {
  for (const StorageFault fault :
       {StorageFault::kFull, StorageFault::kIo, StorageFault::kShort, StorageFault::kPowerCut}) {
    std::uint64_t calls = 1;
    for (std::uint64_t n = 0; n < calls; ++n) {
      FakeStorage disk;
      ASSERT_TRUE(replace_stored(disk, "a", "old").ok());
      disk.fail_at(n, fault);
      const Status status = replace_stored(disk, "a", "new!");
      calls = 5;  // create, write, sync, rename, sync
      ASSERT_FALSE(status.ok()) << n;
      const bool is_io = fault == StorageFault::kIo || fault == StorageFault::kPowerCut;
      EXPECT_EQ(status.error().code, is_io ? Code::kIo : Code::kExhausted);
      const std::string now = disk.files()["a"];
      EXPECT_EQ(now, n < 4 ? "old" : "new!") << n;
      EXPECT_EQ(disk.open("a").ok(), fault != StorageFault::kPowerCut);
    }
  }
}

TEST(FakeStorage, ADiskThatIsFull) {
  FakeStorage disk(10);
  ASSERT_TRUE(replace_stored(disk, "a", "12345").ok());
  EXPECT_EQ(*disk.free_bytes(), 5u);
  auto file = disk.create("b");
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE((*file)->reserve(6).ok());
  EXPECT_TRUE((*file)->reserve(5).ok());
  EXPECT_FALSE((*file)->write(0, "123456").ok());
  EXPECT_EQ(disk.files()["b"], "12345");
  // Over what is there, there is room.
  EXPECT_TRUE((*file)->write(0, "54321").ok());
  ASSERT_TRUE(disk.remove("a").ok());
  EXPECT_EQ(*disk.free_bytes(), 5u);
}

// What a power cut may leave of an update, by name and content.
std::set<std::string> left(const FakeStorage& disk, const std::string& name, int per_step) {
  std::set<std::string> out;
  for_each_crash(disk, per_step, 1, [&](FakeStorage& after, std::size_t, std::uint64_t) {
    auto bytes = read_stored(after, name, 1 << 20);
    out.insert(bytes.ok() ? *bytes : "none");
    return true;
  });
  return out;
}

TEST(FakeStorage, ReplaceSurvivesEveryCut) {
  FakeStorage disk;
  ASSERT_TRUE(replace_stored(disk, "a", std::string(2000, 'o')).ok());
  disk.settle();
  ASSERT_TRUE(replace_stored(disk, "a", std::string(3000, 'n')).ok());
  EXPECT_EQ(left(disk, "a", 50),
            (std::set<std::string>{std::string(2000, 'o'), std::string(3000, 'n')}));
  // Once it has returned, only the new is there.
  for (std::uint64_t choice = 0; choice < 50; ++choice)
    EXPECT_EQ(disk.after_crash(disk.steps(), choice)->files()["a"], std::string(3000, 'n'));
}

// The usual mistakes, which the fake has to show.
TEST(FakeStorage, MistakesShow) {
  const std::string bytes(2000, 'n');
  {  // Written over in place: torn.
    FakeStorage disk;
    ASSERT_TRUE(replace_stored(disk, "a", std::string(2000, 'o')).ok());
    disk.settle();
    ASSERT_TRUE((*disk.open("a"))->write(0, bytes).ok());
    EXPECT_GT(left(disk, "a", 50).size(), 4u);
  }
  {  // Renamed without sync: the name arrives before the bytes.
    FakeStorage disk;
    ASSERT_TRUE(replace_stored(disk, "a", "old").ok());
    disk.settle();
    ASSERT_TRUE((*disk.create("b"))->write(0, bytes).ok());
    ASSERT_TRUE(disk.rename("b", "a").ok());
    ASSERT_TRUE(disk.sync("").ok());
    const auto found = left(disk, "a", 50);
    EXPECT_EQ(found.count(""), 1u);
    EXPECT_GT(found.size(), 4u);
  }
  {  // The folder is not synced: the new name may be lost.
    FakeStorage disk;
    auto file = disk.create("b");
    ASSERT_TRUE((*file)->write(0, "new").ok());
    ASSERT_TRUE((*file)->sync().ok());
    EXPECT_EQ(left(disk, "b", 10), (std::set<std::string>{"none", "new", ""}));
    EXPECT_EQ(disk.after_crash(disk.steps(), 0)->files().count("b"), 0u);
  }
  {  // Removed and not synced: it may come back.
    FakeStorage disk;
    ASSERT_TRUE(replace_stored(disk, "a", "old").ok());
    disk.settle();
    ASSERT_TRUE(disk.remove("a").ok());
    EXPECT_EQ(left(disk, "a", 10), (std::set<std::string>{"none", "old"}));
    ASSERT_TRUE(disk.sync("").ok());
    EXPECT_EQ(disk.after_crash(disk.steps(), 0)->files().count("a"), 0u);
  }
}

TEST(FakeStorage, UnsyncedNamesMayArriveInAnyOrderButOneNamesChangesInTheirs) {
  FakeStorage disk;
  for (const char* name : {"a", "b"}) ASSERT_TRUE((*disk.create(name))->sync().ok());
  ASSERT_TRUE(disk.rename("a", "c").ok());
  std::set<std::string> seen;
  for (std::uint64_t choice = 0; choice < 200; ++choice) {
    std::string names;
    for (const auto& [name, bytes] : disk.after_crash(disk.steps(), choice)->files()) names += name;
    seen.insert(names);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", "a", "b", "ab", "c", "bc"}));
}

TEST(FakeStorage, CrashStatesRepeat) {
  FakeStorage disk;
  auto file = disk.create("a");
  ASSERT_TRUE((*file)->write(100, std::string(100'000, 'x')).ok());
  ASSERT_TRUE(disk.sync("").ok());
  std::set<std::string> states;
  for (std::uint64_t choice = 0; choice < 100; ++choice) {
    const auto once = disk.after_crash(disk.steps(), choice)->files();
    EXPECT_EQ(once, disk.after_crash(disk.steps(), choice)->files());
    states.insert(once.at("a"));
  }
  EXPECT_GT(states.size(), 90u);
}

TEST(FakeStorage, ACounterNeverFallsBack) {
  FakeStorage disk;
  FileCounter counter(disk, "floor");
  std::vector<std::size_t> done;  // steps after which the counter stands at the index
  for (std::uint64_t to = 0; to < 20; ++to) {
    ASSERT_TRUE(counter.raise(to).ok());
    done.push_back(disk.steps());
  }
  const auto count =
      for_each_crash(disk, 20, 7, [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
        auto value = FileCounter(after, "floor").value();
        EXPECT_TRUE(value.ok()) << step << " " << choice << ": " << value.error().message;
        const auto reached = std::upper_bound(done.begin(), done.end(), step) - done.begin();
        if (!value.ok()) return false;
        EXPECT_GE(*value + 1, std::uint64_t(reached)) << step << " " << choice;
        return true;
      });
  EXPECT_GT(count, 1000u);
}

}  // namespace
}  // namespace polder
