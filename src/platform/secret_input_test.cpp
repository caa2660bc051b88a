#include "platform/secret_input.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace polder {
namespace {

// A pipe that holds some bytes.
class Pipe {
 public:
  explicit Pipe(const std::string& bytes) {
    EXPECT_EQ(::pipe(ends_), 0);
    EXPECT_EQ(::write(ends_[1], bytes.data(), bytes.size()), ssize_t(bytes.size()));
    ::close(ends_[1]);
  }
  ~Pipe() { ::close(ends_[0]); }
  int end() const { return ends_[0]; }

 private:
  int ends_[2] = {-1, -1};
};

std::string line_of(int descriptor, std::size_t cap = 16) {
  SystemSecretInput input;
  std::string buffer(cap, '\0');
  const auto size = input.read_line(descriptor, buffer);
  if (!size.ok()) return std::string(code_name(size.error().code));
  return "'" + buffer.substr(0, *size) + "'";
}

TEST(SecretInput, LinesOfADescriptorComeOneByOne) {
  const Pipe pipe("one\ntwo\r\n\nfour");
  EXPECT_EQ(line_of(pipe.end()), "'one'");
  EXPECT_EQ(line_of(pipe.end()), "'two'");
  EXPECT_EQ(line_of(pipe.end()), "''");
  EXPECT_EQ(line_of(pipe.end()), "'four'");
  EXPECT_EQ(line_of(pipe.end()), "not_found");
}

TEST(SecretInput, ALineThatDoesNotFitIsPassedOver) {
  const Pipe pipe("12345\n1234\n");
  EXPECT_EQ(line_of(pipe.end(), 4), "exhausted");
  EXPECT_EQ(line_of(pipe.end(), 4), "'1234'");
}

TEST(SecretInput, ADescriptorThatIsNotOpenIsAnError) { EXPECT_EQ(line_of(987), "invalid"); }

}  // namespace
}  // namespace polder
