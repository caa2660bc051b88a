// For tests: tests/net/adversary.py as a child of this process.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

extern char** environ;

namespace polder::net {

// A server on loopback, from its construction to its destruction.
class Adversary {
 public:
  explicit Adversary(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), POLDER_SOURCE_DIR "/tests/net/adversary.py");
    arguments.insert(arguments.begin(), "/usr/bin/python3");
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    std::vector<char*> words;
    for (std::string& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    if (::posix_spawn(&child_, words[0], &actions, nullptr, words.data(), environ) != 0)
      std::abort();
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    char digit;
    while (::read(out[0], &digit, 1) == 1 && digit != '\n') port_ += digit;
    ::close(out[0]);
    EXPECT_FALSE(port_.empty()) << "the server did not start: is /usr/bin/python3 there?";
  }
  Adversary(const Adversary&) = delete;
  Adversary& operator=(const Adversary&) = delete;
  ~Adversary() {
    ::close(input_);
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  const std::string& port() const { return port_; }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + port_ + path; }

 private:
  pid_t child_ = 0;
  int input_ = -1;
  std::string port_;
};

}  // namespace polder::net
