// The web console: the files of build/console, which scripts/console makes from web/ and polder-hub
// carries.
//
//   const Console console(console_files());
//   if (const auto page = console.answer(request)) return *page;
//
// It is at "/"; what it shows comes from the API, as for anybody else.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hub/api/message.h"

namespace polder::hub {

struct ConsoleFile {
  std::string_view path;  // "/index.html", "/assets/index-C5aXoUhG.js"
  std::string_view bytes;
};
// Generated (cmake/Embed.cmake); none where the program was built without the console.
std::span<const ConsoleFile> console_files();

// Thread-safe.
class Console {
 public:
  // Borrows the files.
  explicit Console(std::span<const ConsoleFile> files);
  // Nothing for what is not the console's.
  std::optional<Response> answer(const Request& request) const;

 private:
  std::span<const ConsoleFile> files_;
  std::vector<std::string> tags_;  // of each file
};

}  // namespace polder::hub
