#include "hub/api/problem.h"

#include "base/text.h"
#include "trust/json.h"

namespace polder::hub {
namespace {

std::string_view title_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Internal Server Error";
  }
}

}  // namespace

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid:
    case Code::kCorrupt: return 400;
    case Code::kNotFound: return 404;
    case Code::kUnsupported: return 422;
    case Code::kIncompatible: return 409;
    case Code::kExhausted: return 507;
    case Code::kUnavailable: return 503;
    case Code::kDenied: return 403;
    case Code::kTimeout: return 504;
    case Code::kIo: break;
  }
  return 500;
}

Response problem(int status, const Error& error, std::string_view request_id) {
  const trust::Json document = trust::Json::Members{{"type", "about:blank"},
                                                    {"title", title_of(status)},
                                                    {"status", status},
                                                    {"detail", one_line(error.message)},
                                                    {"code", code_name(error.code)},
                                                    {"request_id", request_id}};
  Response response{.status = status,
                    .content_type = "application/problem+json",
                    .body = document.compact() + "\n"};
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

Response problem(const Error& error, std::string_view request_id) {
  const int status = status_of(error.code);
  const auto own = [&](std::string_view text) {
    return problem(status, {error.code, std::string(text)}, request_id);
  };
  // Its own troubles: of databases and files nobody else needs to read.
  switch (status) {
    case 500: return own("the hub could not do it; its log has more");
    case 503: return own("the hub cannot do it now: ask again; its log has more");
    case 507:
      return own(
          "the hub has no room for it: its disk or its memory is full, and whoever runs it makes "
          "some; its log has more");
    default: return problem(status, error, request_id);
  }
}

}  // namespace polder::hub
