#include "platform/url.h"

#include <gtest/gtest.h>

namespace polder {
namespace {

Url parsed(std::string_view text) {
  auto url = Url::parse(text);
  EXPECT_TRUE(url.ok()) << text << ": " << url.error().message;
  return url.ok() ? *url : Url();
}

TEST(Url, Parts) {
  const Url url = parsed("https://Hub.Example:8443/a/b.json?x=1");
  EXPECT_TRUE(url.is_tls);
  EXPECT_EQ(url.host, "hub.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b.json?x=1");
  EXPECT_EQ(url.text(), "https://hub.example:8443/a/b.json?x=1");
  EXPECT_EQ(url.shown(), "https://hub.example:8443/a/b.json?...");
}

TEST(Url, Defaults) {
  EXPECT_EQ(parsed("http://a").port, 80);
  EXPECT_EQ(parsed("https://a:443/x").text(), "https://a/x");
  EXPECT_EQ(parsed("http://a?q").target, "/?q");
}

TEST(Url, Addresses) {
  const Url six = parsed("http://[0:0::1]:8080/");
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(six.authority(), "[::1]:8080");
  EXPECT_EQ(parsed("http://127.0.0.1/").host, "127.0.0.1");
}

TEST(Url, Refused) {
  for (const char* text : {"",
                           "ftp://a/",
                           "HTTP://a/",
                           "http:/a",
                           "http://",
                           "http:///x",
                           "http://a b/",
                           "http://a:0/",
                           "http://a:65536/",
                           "http://a:/",
                           "http://a:8x/",
                           "http://[::1/",
                           "http://[fe80::1%25eth0]/",
                           "http://[1.2.3.4]/",
                           "http://::1/",
                           "http://127.1/",
                           "http://2130706433/",
                           "http://0x7f.1/",
                           "http://0x7f000001/",
                           "http://a/ x",
                           "http://a/%",
                           "http://a/%2",
                           "http://a/%zz",
                           "http://a/#x",
                           "http://a/\r\nHost: b",
                           "http://a\\b/",
                           "http://a..b/",
                           "http://.a/",
                           "http://a/\xc3\xa9",
                           "http://user@a/",
                           "http://user:secret@a/"}) {
    auto url = Url::parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().code, Code::kInvalid) << text;
  }
  EXPECT_FALSE(Url::parse("http://a/" + std::string(5000, 'x')).ok());
}

TEST(Url, NoCredentialsInErrors) {
  for (const char* text : {"http://user:secret@a/", "ftp://user:secret@a/x", "user:secret@a",
                           "http://a b/?token=secret", "http://u:secret@x@a/"}) {
    auto url = Url::parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().message.find("secret"), std::string::npos) << url.error().message;
  }
}

TEST(Url, Resolve) {
  const Url base = parsed("https://a/b/c?d");
  const auto to = [&](std::string_view reference) {
    auto url = base.resolve(reference);
    return url.ok() ? url->text() : "error: " + url.error().message;
  };
  EXPECT_EQ(to("e"), "https://a/b/e");
  EXPECT_EQ(to("/e?f#g"), "https://a/e?f");
  EXPECT_EQ(to("//h/i"), "https://h/i");
  EXPECT_EQ(to("http://h:81/"), "http://h:81/");
  EXPECT_TRUE(to("../e").starts_with("error"));
  EXPECT_TRUE(to("javascript://x").starts_with("error"));
}

TEST(Url, Origin) {
  EXPECT_TRUE(parsed("https://a/x").same_origin(parsed("https://A:443/y")));
  EXPECT_FALSE(parsed("https://a/x").same_origin(parsed("http://a:443/x")));
  EXPECT_FALSE(parsed("https://a/x").same_origin(parsed("https://a:444/x")));
}

}  // namespace
}  // namespace polder
