#include "cli/output_file.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"

namespace polder::cli {

Status write_output(const std::string& path, std::string_view text) {
  TRY(write_file_atomic(path, text));
  fmt::print(stderr, "polder: wrote {}\n", one_line(path));
  return {};
}

}  // namespace polder::cli
