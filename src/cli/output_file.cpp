#include "cli/output_file.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/folder.h"

namespace polder::cli {

Status check_output(const std::string& output, const std::string& input) {
  if (!is_same_file(output, input)) return {};
  return fail(Code::kInvalid, "{}: that is {}, which is read here: give the output another name",
              output, output == input ? "the file" : input);
}

Status write_output(const std::string& path, std::string_view text, const std::string& input) {
  TRY(check_output(path, input));
  TRY(write_file_atomic(path, text));
  fmt::print(stderr, "polder: wrote {}\n", one_line(path));
  return {};
}

}  // namespace polder::cli
