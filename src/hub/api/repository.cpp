// The hub's repository: its files, for whoever asks, and how it stands, for people.
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "hub/api/handlers.h"
#include "hub/api/problem.h"
#include "hub/repository/online_repository.h"
#include "trust/digest.h"
#include "trust/tuf_limits.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

// What a name with a version or a digest leads to never changes.
constexpr std::string_view kForEver = "public, max-age=31536000, immutable";
constexpr std::size_t kDigestDigits = 64;

bool is_digest(std::string_view text) {
  return text.size() == kDigestDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// A part of a file (RFC 9110, section 14).
struct Part {
  std::uint64_t from = 0, bytes = 0;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return {};
  return value;
}

// Of a header "bytes=0-99", "bytes=100-" or "bytes=-100". Nothing for what is none or more than one
// part: then the whole is sent. A part without bytes is one that the file does not have.
std::optional<Part> part_of(std::string_view range, std::uint64_t size) {
  constexpr std::string_view kBytes = "bytes=";
  if (!range.starts_with(kBytes)) return {};
  range.remove_prefix(kBytes.size());
  const std::size_t dash = range.find('-');
  if (dash == range.npos) return {};
  const std::string_view first = range.substr(0, dash), last = range.substr(dash + 1);
  if (first.empty()) {
    const auto count = number(last);
    if (!count) return {};
    const std::uint64_t bytes = std::min(*count, size);
    return Part{size - bytes, bytes};
  }
  const auto from = number(first);
  const auto to = last.empty() ? std::optional(size - 1) : number(last);
  if (!from || !to || (!last.empty() && *to < *from)) return {};
  if (*from >= size) return Part{};
  return Part{*from, std::min(*to, size - 1) - *from + 1};
}

Result<std::shared_ptr<const ReadableFile>> open_served(const Call& call,
                                                        const std::vector<std::string>& names) {
  auto file = open_readable_below(call.hub.repository.folder(), names);
  if (file.ok()) return std::shared_ptr<const ReadableFile>(*std::move(file));
  const Code code = file.error().code;
  if (code == Code::kNotFound || code == Code::kInvalid)
    return fail(Code::kNotFound, "the repository has no such file");
  return Error{Code::kIo, std::move(file.error().message)};
}

// The file, or the part that is asked for. `tag`: what stays the same while the file does.
Result<Response> send(const Call& call, const std::vector<std::string>& names,
                      std::string_view tag) {
  TRY(call.target.only({}));
  TRY_VALUE(auto file, open_served(call, names));
  const bool is_json = file->path().ends_with(".json");
  Response response{.content_type = is_json ? "application/json" : "application/octet-stream"};
  response.headers = {{"Cache-Control", std::string(kForEver)}, {"Accept-Ranges", "bytes"}};
  const std::string etag = '"' + std::string(tag) + '"';
  response.headers.emplace_back("ETag", etag);
  if (call.request.if_none_match == etag || call.request.if_none_match == "*") {
    response.status = 304;
    return response;
  }
  const std::uint64_t size = file->size();
  response.file_bytes = size;
  if (const auto part = part_of(call.request.range, size)) {
    if (part->bytes == 0) {
      Response refused =
          problem(416, fail(Code::kInvalid, "the file has {} bytes, and no such part", size),
                  call.request.id);
      refused.headers.emplace_back("Content-Range", fmt::format("bytes */{}", size));
      return refused;
    }
    response.status = 206;
    response.file_from = part->from;
    response.file_bytes = part->bytes;
    response.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", part->from,
                                                               part->from + part->bytes - 1, size));
  }
  response.file = std::move(file);
  return response;
}

// The one file that is replaced.
Result<Response> send_timestamp(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const auto file, open_served(call, {"metadata", "timestamp.json"}));
  if (file->size() > trust::tuf::kMaxTimestampBytes)
    return fail(Code::kIo, "{}: {} bytes", file->path(), file->size());
  Response response{.body = std::string(file->size(), '\0')};
  if (const Status read = file->read(0, response.body); !read.ok())
    return Error{Code::kIo, read.error().message};
  const std::string tag =
      '"' + trust::hex(trust::sha256(response.body)).substr(0, kDigestDigits / 2) + '"';
  response.headers = {{"Cache-Control", "no-cache"}, {"ETag", tag}};
  if (call.request.if_none_match != tag && call.request.if_none_match != "*") return response;
  response.status = 304;
  response.body.clear();
  return response;
}

bool is_signed_online(std::string_view role) {
  return trust::tuf::is_made_by_publishing(role) || role == trust::kAssignmentsRole;
}

}  // namespace

Result<Response> get_metadata(const Call& call) {
  const std::string& name = call.parts[0];
  if (name == "timestamp.json") return send_timestamp(call);
  // "3.root.json"; nothing else is ever published there.
  const std::string version = name.substr(0, name.find('.'));
  if (!number(version) || !name.ends_with(".json"))
    return fail(Code::kNotFound, "the repository has no such file");
  return send(call, {"metadata", name}, name);
}

Result<Response> get_target(const Call& call) {
  if (call.parts.empty()) return fail(Code::kNotFound, "the repository has no such file");
  const std::string digest = call.parts.back().substr(0, kDigestDigits);
  if (!is_digest(digest)) return fail(Code::kNotFound, "the repository has no such file");
  std::vector<std::string> names = {"targets"};
  names.insert(names.end(), call.parts.begin(), call.parts.end());
  return send(call, names, digest);
}

Result<Response> get_blob(const Call& call) {
  const std::string &prefix = call.parts[0], &digest = call.parts[1];
  if (!is_digest(digest) || !digest.starts_with(prefix))
    return fail(Code::kNotFound, "the repository has no such file");
  return send(call, {"blobs", "sha256", prefix, digest}, digest);
}

Result<Response> show_repository(const Call& call) {
  TRY(call.target.only({}));
  OnlineRepository& repository = call.hub.repository;
  TRY_VALUE(const RepositoryState state, repository.state(call.hub.wall.now_s()));
  trust::Json::Array roles, warnings;
  for (const trust::tuf::RoleState& role : state.roles)
    roles.emplace_back(trust::Json::Members{{"role", role.role},
                                            {"version", role.version},
                                            {"expires", trust::tuf::time_text(role.expires_s)},
                                            {"threshold", role.threshold},
                                            {"keys", role.keys},
                                            {"online", is_signed_online(role.role)},
                                            {"targets", static_cast<std::int64_t>(role.targets)}});
  for (const trust::tuf::Expiring& role : state.warnings) {
    warnings.emplace_back(trust::Json::Members{
        {"role", role.role},
        {"expires", trust::tuf::time_text(role.expires_s)},
        {"expired", role.left_s <= 0},
        {"renewal", is_signed_online(role.role)
                        ? "the hub renews it; its log says what keeps it from that"
                        : role.renewal + ", then 'polder hub push REPO'"}});
  }
  return document(trust::Json::Members{{"online_key", repository.key().pem()},
                                       {"version", repository.version()},
                                       {"roles", std::move(roles)},
                                       {"warnings", std::move(warnings)}},
                  call.request);
}

}  // namespace polder::hub
