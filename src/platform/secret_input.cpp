#include "platform/secret_input.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/os_error.h"

namespace polder {
namespace {

constexpr char kTerminal[] = "/dev/tty";
constexpr char kInterrupt = 3;  // Ctrl-C

Error no_terminal() { return fail(Code::kUnavailable, "there is no terminal to ask on"); }
Error too_long(std::size_t size) {
  return fail(Code::kExhausted, "a line of more than {} bytes; a shorter one is expected", size);
}

// While it lives, the terminal does not show what is typed. Ctrl-C ends the line instead of the
// process, so that the terminal is never left mute.
class Unseen {
 public:
  explicit Unseen(int terminal) : terminal_(terminal) {
    if (::tcgetattr(terminal, &before_) != 0) return;
    termios unseen = before_;
    unseen.c_lflag &= ~tcflag_t(ECHO | ISIG);
    unseen.c_lflag |= ICANON;
    unseen.c_cc[VEOL] = kInterrupt;
    ok_ = ::tcsetattr(terminal, TCSAFLUSH, &unseen) == 0;
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
  ~Unseen() {
    if (ok_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  bool ok() const { return ok_; }

 private:
  int terminal_;
  termios before_{};
  bool ok_ = false;
};

void show(int terminal, std::string_view text) {
  while (!text.empty()) {
    const ssize_t shown = ::write(terminal, text.data(), text.size());
    if (shown < 0 && errno == EINTR) continue;
    if (shown <= 0) return;  // the answer is still asked for
    text.remove_prefix(std::size_t(shown));
  }
}

enum class End { kLine, kData, kInterrupted, kFull };

struct Line {
  std::size_t size = 0;
  End end = End::kData;
};

// One byte a call: what comes after the line is not taken. A line that does not fit is read to its
// end. errno tells when the result is an error.
Result<Line> read_bytes(int descriptor, std::span<char> into, const std::string& where,
                        bool interruptible) {
  Line line;
  bool full = false;
  for (;;) {
    char byte = 0;
    const ssize_t got = ::read(descriptor, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(where, "read", errno);
    if (got == 0) break;
    if (interruptible && byte == kInterrupt) {
      line.end = End::kInterrupted;
      return line;
    }
    line.end = End::kLine;
    if (byte == '\n') break;
    if (line.size < into.size()) into[line.size++] = byte;
    else full = true;
  }
  if (line.size > 0) line.end = End::kLine;  // the last line needs no end
  if (line.size > 0 && into[line.size - 1] == '\r') --line.size;
  if (full) line.end = End::kFull;
  return line;
}

}  // namespace

bool SystemSecretInput::has_terminal() const {
  const Descriptor terminal(::open(kTerminal, O_RDWR | O_NOCTTY | O_CLOEXEC));
  return terminal.get() >= 0;
}

Result<std::size_t> SystemSecretInput::ask(std::string_view prompt, std::span<char> into) {
  const Descriptor terminal(::open(kTerminal, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (terminal.get() < 0) return no_terminal();
  const Unseen unseen(terminal.get());
  if (!unseen.ok()) return no_terminal();
  show(terminal.get(), prompt);
  auto line = read_bytes(terminal.get(), into, kTerminal, true);
  show(terminal.get(), "\n");
  if (!line) return std::move(line).error();
  if (line->end == End::kFull) return too_long(into.size());
  if (line->end != End::kLine) return fail(Code::kDenied, "given up at the prompt");
  return line->size;
}

Result<std::size_t> SystemSecretInput::read_line(int descriptor, std::span<char> into) {
  const std::string where = fmt::format("file descriptor {}", descriptor);
  if (::fcntl(descriptor, F_GETFD) < 0) {
    return fail(Code::kInvalid, "{} is not open; open it in the shell: {}<FILE", where, descriptor);
  }
  TRY_VALUE(const Line line, read_bytes(descriptor, into, where, false));
  if (line.end == End::kFull) return too_long(into.size());
  if (line.end == End::kData) return fail(Code::kNotFound, "{} holds no more lines", where);
  return line.size;
}

const char* SystemSecretInput::environment(const char* name) const { return std::getenv(name); }

namespace {

Result<std::size_t> hand_over(std::deque<std::string>& lines, std::span<char> into,
                              const char* none) {
  if (lines.empty()) return fail(Code::kNotFound, "{}", none);
  const std::string line = lines.front();
  lines.pop_front();
  if (line.size() > into.size()) return too_long(into.size());
  std::copy(line.begin(), line.end(), into.begin());
  return line.size();
}

}  // namespace

Result<std::size_t> FakeSecretInput::ask(std::string_view prompt, std::span<char> into) {
  if (!terminal) return no_terminal();
  prompts.emplace_back(prompt);
  if (typed.empty()) return fail(Code::kDenied, "given up at the prompt");
  return hand_over(typed, into, "");
}

Result<std::size_t> FakeSecretInput::read_line(int descriptor, std::span<char> into) {
  const auto found = descriptors.find(descriptor);
  if (found == descriptors.end()) return fail(Code::kInvalid, "no such file descriptor");
  return hand_over(found->second, into, "no more lines");
}

const char* FakeSecretInput::environment(const char* name) const {
  const auto found = variables.find(name);
  return found == variables.end() ? nullptr : found->second.c_str();
}

}  // namespace polder
