#include "hub/console/console.h"

#include <algorithm>

#include "base/fail.h"
#include "hub/api/problem.h"
#include "trust/digest.h"

namespace polder::hub {
namespace {

constexpr std::string_view kNotBuilt =
    "This polder-hub was built without its web console.\n\n"
    "In Polder's sources, 'scripts/console' builds the console, and the next build of polder-hub "
    "carries it.\nThe API is here all the same: /openapi.json describes it.\n";

// Scripts, styles, pictures and answers from this hub alone, nothing inline, in nobody's frame, and
// no text that becomes a part of the page as HTML.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

struct Type {
  std::string_view end, name;
};
constexpr Type kTypes[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".txt", "text/plain; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".woff2", "font/woff2"},
};

std::string_view type_of(std::string_view path) {
  for (const Type& type : kTypes)
    if (path.ends_with(type.end)) return type.name;
  return "application/octet-stream";
}

// Their names change with what is in them.
bool is_immutable(std::string_view path) { return path.starts_with("/assets/"); }

void add_policies(Response& response) {
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
}

}  // namespace

Console::Console(std::span<const ConsoleFile> files) : files_(files) {
  for (const ConsoleFile& file : files)
    tags_.push_back('"' + trust::hex(trust::sha256(file.bytes)).substr(0, 32) + '"');
}

std::optional<Response> Console::answer(const Request& request) const {
  std::string_view path = request.target;
  path = path.substr(0, path.find('?'));
  const bool is_root = path == "/";
  if (is_root) path = "/index.html";
  const auto file =
      std::ranges::find_if(files_, [&](const ConsoleFile& one) { return one.path == path; });
  if (file == files_.end() && !is_root) return {};
  if (request.method != "GET" && request.method != "HEAD") {
    Response response = problem(
        405, fail(Code::kUnsupported, "not by this method; GET, HEAD may be used"), request.id);
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  if (file == files_.end()) {
    return Response{
        .status = 404, .content_type = "text/plain; charset=utf-8", .body = std::string(kNotBuilt)};
  }
  const std::string& tag = tags_[static_cast<std::size_t>(file - files_.begin())];
  Response response{.content_type = std::string(type_of(path))};
  response.headers.emplace_back("ETag", tag);
  response.headers.emplace_back(
      "Cache-Control", is_immutable(path) ? "public, max-age=31536000, immutable" : "no-cache");
  add_policies(response);
  if (request.if_none_match == tag) response.status = 304;
  else response.body = std::string(file->bytes);
  return response;
}

}  // namespace polder::hub
