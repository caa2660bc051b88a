#include "platform/process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace polder {
namespace {

TEST(Process, OutputAndStatus) {
  auto done = run_process({"sh", "-c", "printf 'a b'; exit 3"}, 100);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->output, "a b");
  EXPECT_EQ(done->exit_status, 3);
}

TEST(Process, NoShellSeesTheArguments) {
  auto done = run_process({"printf", "%s", "$HOME; `id`"}, 100);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->output, "$HOME; `id`");
}

TEST(Process, ASignalShows) {
  auto done = run_process({"sh", "-c", "kill -KILL $$"}, 100);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->exit_status, 128 + 9);
}

TEST(Process, EndlessOutputIsEnded) {
  auto done = run_process({"yes"}, 10'000);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Code::kExhausted);
}

TEST(Process, WhatCannotStart) {
  auto missing = run_process({"/nowhere/program"}, 100);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kUnavailable);
  EXPECT_NE(missing.error().message.find("/nowhere/program"), std::string::npos);
  EXPECT_FALSE(run_process({}, 100).ok());
}

TEST(ProcessDeathTest, TerminationIsHeldUntilSomebodyAsks) {
  EXPECT_EXIT(
      {
        hold_termination(true);
        ::raise(SIGTERM);
        if (!termination_is_held()) ::_exit(1);
        end_by_termination();
      },
      testing::KilledBySignal(SIGTERM), "");
  EXPECT_EXIT(
      {
        hold_termination(true);
        hold_termination(false);
        ::raise(SIGTERM);
        ::_exit(1);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(Process, OwnProgramIsThisTest) {
  auto path = own_program();
  ASSERT_TRUE(path.ok()) << path.error().message;
  EXPECT_NE(path->find("platform_test"), std::string::npos);
}

}  // namespace
}  // namespace polder
