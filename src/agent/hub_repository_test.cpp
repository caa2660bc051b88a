// A hub that gets another authority, and devices that find it by root alone.
#include "agent/hub_repository.h"

#include "agent/testing_client.h"
#include "trust/certificate.h"
#include "trust/hub_authorities.h"
#include "trust/testing.h"
#include "trust/tuf_http.h"

namespace polder::agent {
namespace {

constexpr char kHubUrl[] = "https://hub.example:8443/repository";

// A server, and by which authorities it is known: "ca_file" where root names none.
struct Server {
  TestRepository& repository;
  std::string known_by = "ca_file";
  std::vector<std::string> asked_by_any;  // what was asked for by who knew nobody

  class Client;
};

class Server::Client final : public HttpClient {
 public:
  Client(Server& server, HubServer who) : server_(server), who_(std::move(who)) {}
  Result<HttpReply> get(const HttpRequest& request, HttpSink& sink) override {
    const std::string name = request.url.substr(request.url.rfind('/') + 1);
    const std::string authority = who_.authorities.empty() ? "ca_file" : who_.authorities;
    if (who_.is_any) server_.asked_by_any.push_back(name);
    else if (authority != server_.known_by) return Error{Code::kDenied, "unknown authority"};
    const auto found = server_.repository.files.files.find(name);
    if (found == server_.repository.files.files.end()) return Error{Code::kNotFound, name};
    if (Status done = sink.write(found->second); !done.ok()) return std::move(done).error();
    return HttpReply{.status = 200};
  }
  Result<HttpReply> post(const HttpRequest&, std::string_view, std::string_view,
                         HttpSink&) override {
    return Error{Code::kUnsupported, "post"};
  }
  std::int64_t retry_after_s() const override { return 0; }

 private:
  Server& server_;
  const HubServer who_;
};

class HubRepositoryTest : public Client {
 protected:
  static std::string authority() {
    trust::TestSigner key(trust::Scheme::kEcdsaP256);
    return trust::issue_certificate(key, "", key.public_key(),
                                    {.use = trust::CertificateUse::kAuthority,
                                     .common_name = "polder-hub",
                                     .from_s = kTestNowS,
                                     .until_s = kTestNowS + kYear})
        .value();
  }
  void name(const std::vector<std::string>& authorities) {
    ASSERT_TRUE(trust::tuf::set_hub_authorities(repository_.root, authorities).ok());
    repository_.publish_root();
    publish();
  }
  // Version 2, whole, signed by its own keys and by none of the root before; it names an authority.
  std::string strangers_root() {
    TestRepository thief = repository_;
    thief.forged["root"] = {.padding = trust::tuf::Forgery::Padding::kOwnKeys};
    thief.rotate("root");
    EXPECT_TRUE(trust::tuf::set_hub_authorities(thief.root, {authority()}).ok());
    thief.publish_root();
    return thief.files.files.at("2.root.json");
  }
  // "denied", or that it went well.
  std::string update() {
    trust::tuf::HttpFetcher fetcher(http_client_, std::string(kHubUrl) + "/metadata",
                                    std::string(kHubUrl) + "/targets");
    BlobStore blobs = BlobStore::open(disk_).value();
    const auto outcome =
        RepositoryClient(config_, device_, fetcher, blobs).check(state_, kTestNowS);
    return outcome.ok() ? "well" : std::string(code_name(outcome.error().code));
  }

  Server server_{repository_};
  HubRepository http_client_{
      kHubUrl, disk_, [this](const HubServer& who) {
        return Result<std::unique_ptr<HttpClient>>(std::make_unique<Server::Client>(server_, who));
      }};
};

TEST_F(HubRepositoryTest, AnotherAuthorityIsFoundByRoot) {
  publish();
  EXPECT_EQ(update(), "well");
  // The hub is another, and root does not say so: it is not taken for the hub.
  const std::string next = authority();
  server_.known_by = next + '\n';
  EXPECT_EQ(update(), "denied");
  EXPECT_EQ(server_.asked_by_any, std::vector<std::string>{"2.root.json"});
  // Root says so, in the middle of others.
  repository_.publish_root();
  name({next});
  repository_.publish_root();
  server_.asked_by_any.clear();
  EXPECT_EQ(update(), "well");
  // Once it is known nothing is asked of who is not.
  EXPECT_EQ(server_.asked_by_any, (std::vector<std::string>{"2.root.json", "3.root.json"}));
  EXPECT_EQ(StoredMetadata(disk_).root().value().version, 4);
  // The one before is known no more.
  server_.known_by = "ca_file";
  EXPECT_EQ(update(), "denied");
}

TEST_F(HubRepositoryTest, AnUnknownServerIsBelievedNothing) {
  publish();
  EXPECT_EQ(update(), "well");
  add("people", "1.0.0");
  server_.known_by = "another";
  // It has no root for us; that it has none is not believed, and nothing else is asked for.
  EXPECT_EQ(update(), "denied");
  EXPECT_EQ(server_.asked_by_any, std::vector<std::string>{"2.root.json"});
  // It has one that is cut, and one of a stranger, whole and well formed.
  const std::string next = strangers_root();
  repository_.files.files["2.root.json"] = next.substr(0, next.size() / 2);
  EXPECT_EQ(update(), "corrupt");
  repository_.files.files["2.root.json"] = next;
  EXPECT_EQ(update(), "denied");
  EXPECT_EQ(StoredMetadata(disk_).root().value().version, 1);
  EXPECT_TRUE(hub_authorities(disk_).value().empty());
}

// The authority of before may be a thief's by now.
TEST_F(HubRepositoryTest, ADamagedRootKnowsNobody) {
  EXPECT_TRUE(hub_authorities(disk_).value().empty());
  publish();
  EXPECT_EQ(update(), "well");
  for (const char* name : {"metadata/root.json", "metadata/root.copy"})
    ASSERT_TRUE(replace_stored(disk_, name, "damaged").ok());
  EXPECT_EQ(hub_authorities(disk_).error().code, Code::kCorrupt);
}

TEST_F(HubRepositoryTest, ARootThatNamesNothingThatIsOneIsMendedByTheNext) {
  repository_.root.other[trust::tuf::kAuthoritiesMember] = "odd";
  repository_.publish_root();
  publish();
  EXPECT_EQ(update(), "corrupt");
  EXPECT_FALSE(hub_authorities(disk_).ok());
  const std::string next = authority();
  server_.known_by = next + '\n';
  name({next});
  EXPECT_EQ(update(), "well");
}

TEST_F(HubRepositoryTest, OnlyRootsAreAskedOfWhoeverAnswers) {
  server_.known_by = "another";
  for (const char* odd :
       {"/metadata/timestamp.json", "/metadata/root.json", "/metadata/x.root.json",
        "/metadata/1.snapshot.json", "/metadata/1.root.json/", "/targets/2.root.json",
        "/metadata/../targets/1.root.json", "/blobs/sha256/ab/2.root.json"}) {
    struct : HttpSink {
      Status write(std::string_view) override { return {}; }
    } sink;
    const auto reply =
        http_client_.get({.url = std::string(kHubUrl) + odd, .cap_bytes = 1000}, sink);
    ASSERT_FALSE(reply.ok()) << odd;
    EXPECT_EQ(reply.error().code, Code::kDenied) << odd;
  }
  EXPECT_TRUE(server_.asked_by_any.empty());
}

}  // namespace
}  // namespace polder::agent
