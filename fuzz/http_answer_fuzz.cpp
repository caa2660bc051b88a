// What a server answers, as one stream of bytes. However it is cut into reads, the same comes of
// it: status, body, error. No more is delivered than came.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "platform/net/message.h"

namespace {

using namespace polder;

void expect(bool holds) {
  if (!holds) std::abort();
}

class Answer final : public net::ByteStream {
 public:
  Answer(std::string_view bytes, std::size_t piece) : bytes_(bytes), piece_(piece) {}
  Result<std::size_t> read(char* out, std::size_t size) override {
    const std::size_t count = std::min({size, piece_, bytes_.size()});
    std::memcpy(out, bytes_.data(), count);
    bytes_.remove_prefix(count);
    return count;
  }
  Status write(std::string_view) override { return {}; }

 private:
  std::string_view bytes_;
  std::size_t piece_;
};

struct Taken final : net::BodyReceiver {
  Result<bool> begin(const net::Head& head) override {
    expect(!begun);
    begun = true;
    return head.status / 100 == 2;
  }
  Status write(std::string_view bytes) override {
    expect(begun);
    body += bytes;
    return {};
  }
  std::string body;
  bool begun = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const net::Exchange request{"GET", "/", {{"Host", "a"}}, ""};
  Taken first;
  Answer whole(bytes, size + 1);
  const net::Outcome expected = net::exchange(whole, request, first);
  expect(first.body.size() <= size);
  expect(!expected.reusable || expected.status.ok());
  for (const std::size_t piece : {1, 7}) {
    Taken taken;
    Answer stream(bytes, piece);
    const net::Outcome outcome = net::exchange(stream, request, taken);
    expect(outcome.status.ok() == expected.status.ok());
    expect(outcome.head.status == expected.head.status);
    if (outcome.status.ok()) expect(taken.body == first.body);
  }
  return 0;
}
