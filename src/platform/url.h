// Addresses of the web, read strictly: what is unusual is refused, so that no two readers can take
// one for different servers.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace polder {

// RFC 3986, of which these are accepted: http and https; a host name of letters, digits, '-', '_'
// and '.', an IPv4 address, or an IPv6 literal in brackets without a zone; a port; a path and a
// query of the characters that RFC 3986 allows there. User names and passwords are refused (they
// end up in logs), and so are fragments.
struct Url {
  bool is_tls = false;
  std::string host;  // lower case; an IPv6 literal without its brackets
  std::uint16_t port = 0;
  std::string target;  // path and query as they go to the server; begins with '/'

  // At most 4,096 bytes. Errors: kInvalid; the message shows neither credentials nor query.
  static Result<Url> parse(std::string_view text);

  // Scheme, host and port (unless it is the scheme's own): "https://hub.example:8443".
  std::string origin() const;
  // "hub.example:8443": the Host header.
  std::string authority() const;
  // origin() and target.
  std::string text() const { return origin() + target; }
  // For messages: a query, which may hold a token, is shown as "?...".
  std::string shown() const;
  // Where `reference` (a Location header) leads from here: a whole URL, "//host/path", "/path" or
  // "name". Errors: kInvalid; also for dot segments.
  Result<Url> resolve(std::string_view reference) const;
  bool same_origin(const Url& other) const {
    return is_tls == other.is_tls && host == other.host && port == other.port;
  }
};

}  // namespace polder
