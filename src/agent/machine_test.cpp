// What a device says it is, of the files of a system that a test has written, and of this one.
#include "agent/machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "trust/digest.h"

namespace polder::agent {
namespace {

const trust::Device kDevice{{"arm64", "generic"}, {"native"}, 5, {{"softmax", 2}, {"conv", 1}}};

class MachineTest : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  std::string root =
      std::filesystem::temp_directory_path() / ("polder-machine-" + std::to_string(::getpid()));
  void TearDown() override { std::filesystem::remove_all(root); }
};

TEST_F(MachineTest, SaysWhatTheSystemSaysOfItself) {
  write("/proc/cpuinfo",
        "processor\t: 0\nmodel\t\t: 167\nmodel name\t: Intel(R) Atom(TM) x6425E\n\nprocessor\t: 1\n"
        "model name\t: another\n");
  write("/etc/os-release",
        "# of Debian\nNAME=\"Debian\"\nPRETTY_NAME=\"Debian \\\"GNU\\\"/Linux 12 (bookworm)\"\n");
  const proto::Machine machine = describe_machine(kDevice, root);
  EXPECT_EQ(machine.cpu, "Intel(R) Atom(TM) x6425E");
  EXPECT_EQ(machine.system, "Debian \"GNU\"/Linux 12 (bookworm)");
  EXPECT_EQ(machine.targets, kDevice.targets);
  EXPECT_EQ(machine.backends, kDevice.backends);
  EXPECT_EQ(machine.plan_format, 5u);
  EXPECT_EQ(machine.operators, 2u);
  EXPECT_EQ(machine.operators_digest, trust::sha256("conv 1\nsoftmax 2\n"));
}

// A board: its cpuinfo names no model, but its serial number, which stays here.
TEST_F(MachineTest, NamesTheBoardAndNotItsSerialNumber) {
  write("/proc/cpuinfo",
        "processor\t: 0\nCPU part\t: 0xd0b\n\nSerial\t\t: 10000000deadbeef\n"
        "Model\t\t: Raspberry Pi 5 Model B Rev 1.0\n");
  write("/proc/device-tree/model", std::string("Raspberry Pi 5 Model B Rev 1.0\0", 31));
  write("/etc/os-release", "PRETTY_NAME=Yocto\n");
  const proto::Machine machine = describe_machine(kDevice, root);
  EXPECT_EQ(machine.cpu, "Raspberry Pi 5 Model B Rev 1.0");
  EXPECT_EQ(machine.system, "Yocto");
  const auto bytes = proto::encode(proto::Checkin{
      .program = "1", .timestamp = 0, .reports = {}, .time_s = 0, .machine = machine});
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  EXPECT_NE(bytes->find("Raspberry"), bytes->npos);
  EXPECT_EQ(bytes->find("deadbeef"), bytes->npos);
}

TEST_F(MachineTest, WhatCannotBeReadStaysEmpty) {
  const proto::Machine machine = describe_machine(kDevice, root);
  EXPECT_EQ(machine.cpu + machine.system, "");
  write("/etc/os-release", "PRETTY_NAME=\"\n");
  EXPECT_EQ(describe_machine(kDevice, root).system, "\"");
}

TEST_F(MachineTest, OfThisOne) {
  const proto::Machine machine = describe_machine(kDevice);
  EXPECT_GE(machine.cpus, 1u);
  EXPECT_GT(machine.memory_bytes, 64u << 20);
  EXPECT_NE(machine.architecture, "");
  EXPECT_NE(machine.kernel, "");
}

}  // namespace
}  // namespace polder::agent
