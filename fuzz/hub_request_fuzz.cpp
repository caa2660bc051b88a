// What the hub's API is asked, by an administrator and by a device (hub_world.h has the form of a
// request). Whatever it is, it has an answer of HTTP's that says what it is, and is no trouble of
// the hub's own; nor is what follows from a request that was done.
#include <cstdlib>

#include "hub_world.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder;
  static fuzz::HubWorld world;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const hub::Response response = world.ask(text);
  if (response.status < 200 || response.status >= 500) std::abort();
  const bool has_document = response.status != 204 && response.status != 304 && !response.file &&
                            response.content_type.ends_with("json");
  if (has_document && !trust::Json::parse(response.body, "response").ok()) std::abort();
  if (response.status >= 400 && response.content_type != "application/problem+json") std::abort();
  if (response.status < 300 && !text.starts_with("GET ") && !text.starts_with("HEAD ")) {
    world.go_on();
    world.reset();
  }
  return 0;
}
