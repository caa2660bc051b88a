#include "platform/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "base/text.h"

namespace polder {
namespace {

constexpr std::size_t kMaxUrlBytes = 4096;
constexpr std::size_t kMaxHostBytes = 253;  // of a name: RFC 1035, section 2.3.4
constexpr std::uint16_t kHttpPort = 80, kHttpsPort = 443;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

// What a message may show: not what stands before an '@', not the query.
std::string shown_text(std::string_view text) {
  const std::size_t query = text.find('?');
  std::string out(text.substr(0, query));
  const std::size_t scheme = out.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t at = out.rfind('@', out.find('/', begin));
  if (at != std::string::npos && at >= begin) out.replace(begin, at - begin, "...");
  if (query != std::string_view::npos) out += "?...";
  return one_line(clipped(out));
}

Error bad_url(std::string_view text, std::string_view why) {
  return fail(Code::kInvalid, "'{}' is no URL to use: {}", shown_text(text), why);
}

bool is_name(std::string_view host) {
  const auto fits = [](char c) { return is_letter(c) || is_digit(c) || is_one_of(c, "-_."); };
  return !host.empty() && host.size() <= kMaxHostBytes &&
         std::all_of(host.begin(), host.end(), fits) && host.front() != '.' &&
         host.find("..") == std::string_view::npos;
}

// The C library also reads "127.1", "0x7f.1" and "2130706433" as addresses: only four numbers are.
bool is_odd_address(const std::string& host) {
  const std::string last = host.substr(host.rfind('.') + 1);
  const bool numeric = !last.empty() && (std::all_of(last.begin(), last.end(), is_digit) ||
                                         last.starts_with("0x") || last.starts_with("0X"));
  in_addr address{};
  return numeric && ::inet_pton(AF_INET, host.c_str(), &address) != 1;
}

bool is_target(std::string_view target) {
  for (std::size_t i = 0; i < target.size(); ++i) {
    const char c = target[i];
    if (c == '%') {
      if (i + 2 >= target.size() || !is_hex(target[i + 1]) || !is_hex(target[i + 2])) return false;
    } else if (!is_letter(c) && !is_digit(c) && !is_one_of(c, "-._~!$&'()*+,;=:@/?")) {
      return false;
    }
  }
  return true;
}

// Sets the port of "host:port" and returns the host; `text` names the whole for errors.
Result<std::string_view> take_port(std::string_view authority, std::string_view text, Url& url) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket))
    return authority;
  const std::string_view digits = authority.substr(colon + 1);
  const auto end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, url.port);
  if (digits.empty() || read.ptr != end || read.ec != std::errc() || url.port == 0)
    return bad_url(text, "its port is no number from 1 to 65535");
  return authority.substr(0, colon);
}

Status take_host(std::string_view host, std::string_view text, Url& url) {
  if (host.starts_with('[') && host.ends_with(']')) {
    const std::string literal(host.substr(1, host.size() - 2));
    in6_addr address{};
    if (::inet_pton(AF_INET6, literal.c_str(), &address) != 1)
      return bad_url(text, "what stands in brackets is no IPv6 address");
    char canonical[INET6_ADDRSTRLEN];
    url.host = ::inet_ntop(AF_INET6, &address, canonical, sizeof canonical);
    return {};
  }
  if (!is_name(host)) return bad_url(text, "a host of letters, digits, '-' and '.' is expected");
  url.host = host;
  std::transform(url.host.begin(), url.host.end(), url.host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  if (is_odd_address(url.host)) return bad_url(text, "an address is written as four numbers");
  return {};
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  if (text.size() > kMaxUrlBytes)
    return fail(Code::kInvalid, "a URL of {} bytes; {} at most", text.size(), kMaxUrlBytes);
  Url url;
  if (text.starts_with("https://")) url.is_tls = true;
  else if (!text.starts_with("http://")) return bad_url(text, "http:// or https:// is expected");
  url.port = url.is_tls ? kHttpsPort : kHttpPort;
  std::string_view rest = text.substr(url.is_tls ? 8 : 7);
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (authority.find('@') != std::string_view::npos)
    return bad_url(text, "a user name or password in it would end up in logs; leave them out");
  TRY_VALUE(const std::string_view host, take_port(authority, text, url));
  TRY(take_host(host, text, url));
  rest.remove_prefix(end);
  if (rest.find('#') != std::string_view::npos) return bad_url(text, "a fragment ('#') in it");
  if (!is_target(rest))
    return bad_url(text, "its path holds what must be written as %XX, or a '%' without two digits");
  url.target = rest.starts_with('/') ? std::string(rest) : '/' + std::string(rest);
  return url;
}

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : '[' + host + ']';
  if (port != (is_tls ? kHttpsPort : kHttpPort)) out += ':' + std::to_string(port);
  return out;
}

std::string Url::origin() const { return (is_tls ? "https://" : "http://") + authority(); }

std::string Url::shown() const { return shown_text(text()); }

Result<Url> Url::resolve(std::string_view reference) const {
  std::string whole(reference.substr(0, reference.find('#')));
  if (whole.starts_with("//")) {
    whole.insert(0, is_tls ? "https:" : "http:");
  } else if (whole.starts_with("/")) {
    whole.insert(0, origin());
  } else if (whole.find("://") == std::string::npos) {
    const std::string path = target.substr(0, target.find('?'));
    whole.insert(0, origin() + path.substr(0, path.rfind('/') + 1));
  }
  TRY_VALUE(Url url, parse(whole));
  const std::string path = url.target.substr(0, url.target.find('?')) + '/';
  if (path.find("/./") != std::string::npos || path.find("/../") != std::string::npos)
    return bad_url(whole, "its path holds '.' or '..'");
  return url;
}

}  // namespace polder
