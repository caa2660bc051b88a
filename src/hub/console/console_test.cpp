#include "hub/console/console.h"

#include <gtest/gtest.h>

#include <map>

namespace polder::hub {
namespace {

constexpr ConsoleFile kFiles[] = {
    {"/index.html", "<!doctype html>"},
    {"/favicon.svg", "<svg/>"},
    {"/licences.txt", "MIT"},
    {"/assets/index-1a2b.js", "run()"},
    {"/assets/index-3c4d.css", "a{}"},
    {"/assets/inter-5e6f.woff2", std::string_view("wOF2\0\xff", 6)},
};

std::optional<Response> get(const Console& console, const std::string& target,
                            const std::string& tag = "", const std::string& method = "GET") {
  return console.answer({.id = "r1",
                         .method = method,
                         .target = target,
                         .authorization = "",
                         .content_type = "",
                         .if_none_match = tag,
                         .body = "",
                         .certificate = ""});
}

std::string header(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "";
}

TEST(Console, GivesEachFileByItsType) {
  const Console console(kFiles);
  const std::map<std::string, std::string> types = {
      {"/", "text/html; charset=utf-8"},
      {"/index.html", "text/html; charset=utf-8"},
      {"/?from=mail", "text/html; charset=utf-8"},
      {"/favicon.svg", "image/svg+xml"},
      {"/licences.txt", "text/plain; charset=utf-8"},
      {"/assets/index-1a2b.js", "text/javascript; charset=utf-8"},
      {"/assets/index-3c4d.css", "text/css; charset=utf-8"},
      {"/assets/inter-5e6f.woff2", "font/woff2"},
  };
  for (const auto& [target, type] : types) {
    const auto response = get(console, target);
    ASSERT_TRUE(response.has_value()) << target;
    EXPECT_EQ(response->status, 200) << target;
    EXPECT_EQ(response->content_type, type) << target;
    EXPECT_EQ(header(*response, "Cache-Control"),
              target.starts_with("/assets/") ? "public, max-age=31536000, immutable" : "no-cache")
        << target;
  }
  EXPECT_EQ(get(console, "/assets/inter-5e6f.woff2")->body, std::string("wOF2\0\xff", 6));
}

TEST(Console, AllowsNothingInlineAndNothingFromElsewhere) {
  const std::string policy = header(*get(Console(kFiles), "/"), "Content-Security-Policy");
  EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self'; ")) << policy;
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(policy.find("http"), std::string::npos);
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
}

TEST(Console, WhoHasItIsToldSo) {
  const Console console(kFiles);
  const std::string tag = header(*get(console, "/"), "ETag");
  EXPECT_EQ(tag.size(), 34u);
  const auto again = get(console, "/", tag);
  EXPECT_EQ(again->status, 304);
  EXPECT_TRUE(again->body.empty());
  EXPECT_EQ(header(*again, "ETag"), tag);
  EXPECT_EQ(get(console, "/favicon.svg", tag)->status, 200);
}

TEST(Console, LeavesTheRestToOthers) {
  const Console console(kFiles);
  for (const char* const target :
       {"/v1/devices", "/openapi.json", "/assets/index-0000.js", "/assets/", "//", "/../index.html",
        "/assets/../index.html", "/%69ndex.html", "", "index.html"})
    EXPECT_FALSE(get(console, target).has_value()) << target;
}

TEST(Console, IsReadAlone) {
  const auto response = get(Console(kFiles), "/", "", "POST");
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 405);
  EXPECT_EQ(header(*response, "Allow"), "GET, HEAD");
  EXPECT_EQ(get(Console(kFiles), "/", "", "HEAD")->status, 200);
}

TEST(Console, WithoutItsFilesSaysHowToBuildIt) {
  const Console console({});
  const auto response = get(console, "/");
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 404);
  EXPECT_NE(response->body.find("scripts/console"), std::string::npos);
  EXPECT_FALSE(get(console, "/index.html").has_value());
  EXPECT_FALSE(get(console, "/v1/devices").has_value());
}

}  // namespace
}  // namespace polder::hub
