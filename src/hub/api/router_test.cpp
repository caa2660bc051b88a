#include "hub/api/router.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "hub/api/testing_hub.h"
#include "hub_openapi_json.h"

namespace polder::hub {
namespace {

class Routing : public HubTest {};

// --- Who may do what -----------------------------------------------------------------------------

// Beside the table of the router: what is changed there has to be meant here too.
const std::map<std::string, std::string> kNeeds = {
    {"GET /healthz", "anyone"},
    {"GET /openapi.json", "anyone"},
    {"GET /metrics", "viewer"},
    {"GET /repository/metadata/{name}", "anyone"},
    {"GET /repository/targets/{path}", "anyone"},
    {"GET /repository/blobs/sha256/{prefix}/{digest}", "anyone"},
    {"GET /v1/repository", "viewer"},
    {"POST /v1/uploads", "releaser"},
    {"GET /v1/uploads/{sha256}", "releaser"},
    {"POST /v1/uploads/{sha256}", "releaser"},
    {"POST /v1/publications", "releaser"},
    {"GET /v1/approvals", "viewer"},
    {"GET /v1/approvals/{id}", "viewer"},
    {"POST /v1/approvals/{id}/approve", "releaser"},
    {"POST /v1/approvals/{id}/reject", "releaser"},
    {"GET /v1/releases", "viewer"},
    {"GET /v1/releases/{model}/{version}", "viewer"},
    {"GET /v1/models", "viewer"},
    {"GET /v1/models/{name}", "viewer"},
    {"PUT /v1/models/{name}/aliases/{alias}", "releaser"},
    {"POST /v1/enrol", "anyone"},
    {"POST /v1/renew", "device"},
    {"GET /v1/self", "device"},
    {"GET /v1/devices", "viewer"},
    {"GET /v1/devices/{id}", "viewer"},
    {"POST /v1/devices/{id}/revoke", "operator"},
    {"PUT /v1/devices/{id}/tags", "operator"},
    {"GET /v1/groups", "viewer"},
    {"GET /v1/groups/{name}", "viewer"},
    {"PUT /v1/groups/{name}", "operator"},
    {"POST /v1/groups/{name}/remove", "operator"},
    {"POST /v1/rollouts", "operator"},
    {"POST /v1/rollout-previews", "operator"},
    {"GET /v1/rollouts", "viewer"},
    {"GET /v1/rollouts/{id}", "viewer"},
    {"GET /v1/rollouts/{id}/looks", "viewer"},
    {"GET /v1/rollouts/{id}/devices", "viewer"},
    {"POST /v1/rollouts/{id}/pause", "operator"},
    {"POST /v1/rollouts/{id}/resume", "operator"},
    {"POST /v1/rollouts/{id}/abort", "operator"},
    {"POST /v1/checkin", "device"},
    {"GET /v1/devices/{id}/metrics", "viewer"},
    {"GET /v1/fleet", "viewer"},
    {"GET /v1/audit", "viewer"},
    {"GET /v1/audit/checkpoint", "viewer"},
    {"GET /v1/audit/{id}/proof", "viewer"},
    {"GET /v1/me", "viewer"},
    {"POST /v1/tokens", "admin"},
    {"GET /v1/tokens", "admin"},
    {"POST /v1/tokens/{id}/revoke", "admin"},
    {"POST /v1/enrolment-tokens", "admin"},
    {"POST /v1/enrolment-token-batches", "admin"},
    {"GET /v1/enrolment-tokens", "admin"},
    {"POST /v1/enrolment-tokens/{id}/revoke", "admin"},
};

struct Asker {
  std::string name, authorization, certificate;
  int rank = -1;  // of a person that is one
  bool is_device = false;
  bool has_known_key = false;  // and a certificate that is another authority's
};

class Refusals : public HubTest {
 protected:
  std::vector<Asker> askers() {
    std::vector<Asker> all;
    all.push_back({"nobody", "", ""});
    all.push_back({"no token", "Bearer x", ""});
    all.push_back({"another scheme", "Basic " + admin_.substr(7), ""});
    std::string wrong = admin_;
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    all.push_back({"a wrong secret", wrong, ""});
    all.push_back({"an enrolment token", "Bearer " + enrolment_token(), ""});
    const std::string over = token(Role::kAdmin, 60), gone = token(Role::kAdmin);
    wall_.set_s(kNowS + 60);
    all.push_back({"an expired token", over, ""});
    EXPECT_EQ(send("POST", "/v1/tokens/" + gone.substr(21, 16) + "/revoke", "", admin_).status,
              204);
    all.push_back({"a revoked token", gone, ""});
    for (const Role role : {Role::kViewer, Role::kOperator, Role::kReleaser, Role::kAdmin})
      all.push_back({std::string(role_name(role)), token(role), "", static_cast<int>(role)});
    trust::TestSigner key(trust::Scheme::kEcdsaP256), other(trust::Scheme::kEcdsaP256);
    all.push_back({"a device", "", enrolled(key, "cam-1"), -1, true});
    const std::string revoked = enrolled(other, "cam-2");
    EXPECT_EQ(send("POST", "/v1/devices/cam-2/revoke", "", admin_).status, 204);
    all.push_back({"a revoked device", "", revoked});
    auto stranger = std::make_unique<trust::TestSigner>(trust::Scheme::kEcdsaP256);
    const auto pem = make_authority(*stranger, kNowS);
    EXPECT_TRUE(pem.ok());
    Authority foreign(std::move(stranger), *pem);
    const auto theirs = foreign.issue(key.public_key(), "cam-1", kNowS);
    EXPECT_TRUE(theirs.ok());
    all.push_back({"a device of another hub", "", *theirs, -1, false, true});
    const auto unknown = authority_->issue(key.public_key(), "cam-1", kNowS);
    EXPECT_TRUE(unknown.ok());
    all.push_back({"a certificate that is not on record", "", *unknown});
    const auto expired = authority_->issue(key.public_key(), "cam-1", kNowS - kDeviceCertificateS);
    all.push_back({"an expired certificate", "", expired.ok() ? *expired : ""});
    return all;
  }
};

// The status of a refusal; 0 where it must be let in.
int expected_of(const std::string& needs, const Asker& asker) {
  if (needs == "anyone") return 0;
  if (needs == "device") return asker.is_device ? 0 : 401;
  if (asker.rank < 0) return 401;
  const std::map<std::string, int> ranks = {
      {"viewer", 0}, {"operator", 1}, {"releaser", 2}, {"admin", 3}};
  return asker.rank >= ranks.at(needs) ? 0 : 403;
}

TEST_F(Refusals, EachRouteIsForThoseItIsForAlone) {
  const std::vector<Asker> all = askers();
  EXPECT_EQ(all.size(), 16u);
  std::size_t refused = 0;
  for (const Route& route : routes()) {
    const std::string name = std::string(route.method) + " " + std::string(route.path);
    ASSERT_TRUE(kNeeds.contains(name)) << name;
    std::string target(route.path);
    // Nothing that is there: who is let in finds nothing, and changes nothing for the next.
    if (const auto at = target.find("{id}"); at != target.npos) target.replace(at, 4, "none");
    for (const Asker& asker : all) {
      clock_.advance_us(1'000'000);  // none asks too often
      const Response response = send(route.method, target, route.has_body ? "{\"x\":1}" : "",
                                     asker.authorization, asker.certificate);
      const bool may_renew = name == "POST /v1/renew" && asker.has_known_key;
      const int expected = may_renew ? 0 : expected_of(kNeeds.at(name), asker);
      if (expected != 0) {
        ++refused;
        EXPECT_EQ(response.status, expected) << name << " by " << asker.name;
        EXPECT_EQ(response.content_type, "application/problem+json");
      } else {
        EXPECT_NE(response.status, 401) << name << " by " << asker.name << response.body;
        EXPECT_NE(response.status, 403) << name << " by " << asker.name << response.body;
        EXPECT_LT(response.status, 500) << name << " by " << asker.name << response.body;
      }
    }
  }
  EXPECT_EQ(kNeeds.size(), routes().size());
  EXPECT_GT(refused, 100u);
  EXPECT_TRUE(log_.empty()) << log_[0];
}

// --- The description -----------------------------------------------------------------------------

TEST(Openapi, IsWhatTheRouterAnswers) {
  const auto read = trust::Json::parse(kOpenapiJson, "openapi.json");
  ASSERT_TRUE(read.ok()) << read.error().message;
  const trust::Json* paths = read->find("paths");
  ASSERT_TRUE(paths && paths->members());
  std::set<std::string> described, served;
  for (const auto& [path, methods] : *paths->members()) {
    for (const auto& [method, operation] : *methods.members()) {
      std::string name = method;
      for (char& c : name) c = static_cast<char>(std::toupper(c));
      name += " " + path;
      described.insert(name);
      // Who may, as the refusals have it.
      const trust::Json* security = operation.find("security");
      ASSERT_TRUE(security && security->array()) << name;
      const std::string needs = security->array()->empty()
                                    ? "anyone"
                                    : security->array()->front().members()->begin()->first;
      EXPECT_EQ(needs, kNeeds.contains(name) ? kNeeds.at(name) : "?") << name;
    }
  }
  for (const Route& route : routes()) {
    const std::string name = std::string(route.method) + " " + std::string(route.path);
    served.insert(name);
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    const trust::Json* path = paths->find(route.path);
    const trust::Json* operation = path ? path->find(method) : nullptr;
    ASSERT_TRUE(operation) << name;
    EXPECT_EQ(operation->find("requestBody") != nullptr, route.has_body) << name;
  }
  EXPECT_EQ(described, served);
}

// --- What is no good request ---------------------------------------------------------------------

struct Bad {
  std::string method, target, body;
  int status;
  std::string detail;
};

TEST_F(Routing, BadRequestsAreToldWhatIsWrong) {
  const std::vector<Bad> all = {
      {"GET", "", "", 400, "does not begin with '/'"},
      {"GET", "*", "", 400, "does not begin with '/'"},
      {"GET", "/", "", 404, "no such address"},
      {"GET", "/v1/nothing", "", 404, "no such address"},
      {"GET", "/v1/devices/", "", 400, "an empty part"},
      {"GET", "//v1/devices", "", 400, "an empty part"},
      {"GET", "/v1/devices/a%2", "", 400, "'%' without two"},
      {"GET", "/v1/devices/a%zz", "", 400, "'%' without two"},
      {"GET", "/v1/devices/a%00", "", 400, "not printable"},
      {"GET", "/v1/devices/%c3%a9", "", 400, "not printable"},
      {"GET", "/v1/devices/" + std::string(3000, 'a'), "", 400, "at most 2048"},
      {"DELETE", "/v1/devices", "", 405, "GET, HEAD may be used"},
      {"PUT", "/v1/tokens", "", 405, "POST, GET, HEAD may be used"},
      {"GET", "/v1/devices?limt=3", "", 400, "did you mean 'limit'?"},
      {"GET", "/v1/devices?limit=0", "", 400, "from 1 to 1000"},
      {"GET", "/v1/devices?limit=1e3", "", 400, "from 1 to 1000"},
      {"GET", "/v1/devices?limit", "", 400, "name=value"},
      {"GET", "/v1/devices?limit=1&limit=2", "", 400, "'limit' twice"},
      {"GET", "/v1/devices", "x", 400, "none expected"},
      {"GET", "/v1/devices/nobody", "", 404, "no device of this name"},
      {"POST", "/v1/tokens", "", 415, "application/json"},
      {"POST", "/v1/tokens", "{", 400, "body"},
      {"POST", "/v1/tokens", "[]", 400, "an object"},
      {"POST", "/v1/tokens", R"({"name":"a","role":"viewer","more":1})", 400, "more"},
      {"POST", "/v1/tokens", R"({"name":"a","name":"b","role":"viewer"})", 400, "name"},
      {"POST", "/v1/tokens", R"({"name":"a"})", 400, "role"},
      {"POST", "/v1/tokens", R"({"name":"a","role":"king"})", 400, "viewer, operator"},
      {"POST", "/v1/tokens", R"({"name":"","role":"viewer"})", 400, "1 to 64"},
      {"POST", "/v1/tokens", R"({"name":"../a","role":"viewer"})", 400, "1 to 64"},
      {"POST", "/v1/tokens", R"({"name":"a","role":"viewer","valid_s":1})", 400, "valid_s"},
      {"POST", "/v1/tokens", R"({"name":"a","role":"viewer","valid_s":1.5})", 400, "valid_s"},
      {"POST", "/v1/enrolment-tokens", R"({"device":"a b"})", 400, "1 to 64"},
      {"POST", "/v1/enrolment-tokens", std::string(1000, '['), 400, "body"},
      {"POST", "/v1/enrolment-token-batches", R"({})", 400, "devices"},
      {"POST", "/v1/enrolment-token-batches", R"({"devices":[]})", 400, "1 to 500"},
      {"POST", "/v1/enrolment-token-batches", R"({"devices":["a",3]})", 400, "body.devices[1]"},
      {"POST", "/v1/enrolment-token-batches", R"({"devices":["a","../b"]})", 400, "1 to 64"},
      {"POST", "/v1/enrolment-token-batches", R"({"devices":["a","b","a"]})", 400,
       "body.devices[2]: 'a' is there twice"},
      {"POST", "/v1/enrolment-token-batches", R"({"devices":["a"],"valid_s":1})", 400, "valid_s"},
      {"POST", "/v1/enrol", R"({"token":"x"})", 400, "csr"},
      {"POST", "/v1/enrol", R"({"token":"x","csr":"y"})", 400, "certificate request"},
      {"POST", "/v1/tokens/none/revoke", "", 404, "no token"},
      {"POST", "/v1/devices/none/revoke", "", 404, "no device"},
      {"GET", "/v1/devices?query=site", "", 400, "TAG=VALUE"},
      {"GET", "/v1/devices?query=site=a,", "", 400, "TAG=VALUE"},
      {"GET", "/v1/devices?query=site=a,site=b", "", 400, "twice"},
      {"GET", "/v1/devices?query=si%20te=a", "", 400, "1 to 64"},
      {"PUT", "/v1/devices/none/tags", R"({"site":"ams"})", 404, "no device"},
      {"PUT", "/v1/devices/none/tags", R"({"site":3})", 400, "body.site"},
      {"PUT", "/v1/devices/none/tags", R"({"site":"a,b"})", 400, "1 to 64"},
      {"PUT", "/v1/devices/none/tags", R"(["site"])", 400, "an object"},
      {"POST", "/v1/rollouts", R"({"version":"1.0.0"})", 400, "body.model"},
      {"POST", "/v1/rollouts", R"({"model":"../x","version":"1.0.0"})", 400, "name of a model"},
      {"POST", "/v1/rollouts", R"({"model":"m","version":"one"})", 400, "body.version"},
      {"POST", "/v1/rollouts", R"({"model":"m","version":"1.0.0","other_version":"1.0.0"})", 400,
       "it is the version"},
      {"POST", "/v1/rollouts", R"({"model":"m","version":"1.0.0","stage":[]})", 400,
       "is 'stages' meant?"},
      {"POST", "/v1/rollouts", R"({"model":"m","version":"1.0.0","stages":[]})", 400, "1 to 16"},
      {"POST", "/v1/rollouts", R"({"model":"m","version":"1.0.0","stages":[{"devices":1}]})", 400,
       "the last stage must be 100%"},
      {"POST", "/v1/rollouts",
       R"({"model":"m","version":"1.0.0","stages":[{"devices":1,"percent":1},{"percent":100}]})",
       400, "body.stages[0]: either devices or percent"},
      {"POST", "/v1/rollouts",
       R"({"model":"m","version":"1.0.0","stages":[{"percent":100,"margin":1}]})", 400, "1.1 to 4"},
      {"POST", "/v1/rollouts", R"({"model":"m","version":"1.0.0","measures":["speed"]})", 400,
       "is none of: errors, slow frames, empty frames"},
      {"POST", "/v1/rollouts",
       R"({"model":"m","version":"1.0.0","window":{"from":"24:00","to":"01:00"}})", 400,
       "body.window.from"},
      {"POST", "/v1/rollouts", R"({"model":"m","version":"1.0.0","not_before":"tomorrow"})", 400,
       "body.not_before"},
      {"POST", "/v1/rollouts", R"({"model":"m","version":"1.0.0","look_s":0})", 400, "look_s"},
      {"GET", "/v1/rollouts?phase=over", "", 400, "running, paused, aborted or done"},
      {"GET", "/v1/rollouts/none", "", 404, "no rollout"},
      {"GET", "/v1/rollouts/none/looks", "", 404, "no rollout"},
      {"GET", "/v1/rollouts/none/devices", "", 404, "no rollout"},
      {"POST", "/v1/rollouts/none/pause", R"({"reason":"x"})", 404, "no rollout"},
      {"POST", "/v1/rollouts/none/pause", R"({"reason":""})", 400, "text expected"},
      {"POST", "/v1/rollouts/none/abort", R"({})", 400, "reason"},
      {"POST", "/v1/rollouts/none/resume", "", 404, "no rollout"},
  };
  for (const Bad& bad : all) {
    const Response response = send(bad.method, bad.target, bad.body, admin_);
    EXPECT_EQ(response.status, bad.status) << bad.method << bad.target << bad.body;
    EXPECT_EQ(response.content_type, "application/problem+json");
    EXPECT_NE(text(response, "detail").find(bad.detail), std::string::npos) << response.body;
    EXPECT_EQ(text(response, "request_id"), "r1");
    EXPECT_EQ(*json(response).find("status")->integer(), bad.status);
  }
  EXPECT_TRUE(log_.empty()) << log_[0];
}

TEST_F(Routing, AWholeNumberMayBeWrittenWithAPoint) {
  for (const char* const seconds : {"3600", "3600.0", "36e2"}) {
    const std::string body = std::string(R"({"valid_s":)") + seconds + "}";
    EXPECT_EQ(send("POST", "/v1/enrolment-tokens", body, admin_).status, 201) << seconds;
  }
}

TEST_F(Routing, ARefusedMethodIsToldTheOthers) {
  const Response response = send("PATCH", "/v1/tokens");
  EXPECT_EQ(response.headers,
            (std::vector<std::pair<std::string, std::string>>{{"Allow", "POST, GET, HEAD"}}));
}

TEST_F(Routing, HeadersMayBeAskedForAlone) {
  const Response whole = send("GET", "/v1/devices", "", admin_);
  const Response head = send("HEAD", "/v1/devices", "", admin_);
  EXPECT_EQ(head.status, 200) << head.body;
  EXPECT_EQ(head.headers, whole.headers);
  EXPECT_EQ(send("HEAD", "/v1/enrol").status, 405);
}

TEST_F(Routing, AnUnchangedDocumentIsNotSentAgain) {
  Request request{.id = "r1", .method = "GET", .target = "/v1/devices", .authorization = admin_};
  const Response first = router_->answer(request);
  ASSERT_EQ(first.status, 200);
  ASSERT_EQ(first.headers[0].first, "ETag");
  request.if_none_match = first.headers[0].second;
  const Response second = router_->answer(request);
  EXPECT_EQ(second.status, 304);
  EXPECT_EQ(second.body, "");
  EXPECT_EQ(second.headers, first.headers);
  trust::TestSigner key(trust::Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  EXPECT_EQ(router_->answer(request).status, 200);
}

TEST_F(Routing, APersonSeesWhoTheyAre) {
  const trust::Json anna = json(send("GET", "/v1/me", "", token(Role::kOperator)));
  EXPECT_EQ(anna.compact(), R"({"name":"operator","role":"operator"})");
}

TEST_F(Routing, DevicesComeInPages) {
  for (int i = 0; i < 5; ++i) {
    trust::TestSigner key(trust::Scheme::kEcdsaP256);
    enrolled(key, "cam-" + std::to_string(i));
  }
  std::string target = "/v1/devices?limit=2";
  std::vector<std::string> names;
  std::vector<std::size_t> sizes;
  while (!target.empty()) {
    const Response page = send("GET", target, "", admin_);
    ASSERT_EQ(page.status, 200) << page.body;
    const trust::Json document = json(page);
    sizes.push_back(document.find("devices")->array()->size());
    for (const trust::Json& device : *document.find("devices")->array())
      names.push_back(*device.find("id")->string());
    target = text(page, "next");
  }
  EXPECT_EQ(names, (std::vector<std::string>{"cam-0", "cam-1", "cam-2", "cam-3", "cam-4"}));
  EXPECT_EQ(sizes, (std::vector<std::size_t>{2, 2, 1}));
}

TEST_F(Routing, TokensComeInPagesTheNewestFirst) {
  for (int i = 0; i < 4; ++i) {
    if (i != 2) wall_.set_s(wall_.now_s() + 1);
    token(Role::kViewer);
  }
  std::set<std::string> ids;
  std::vector<std::string> created;
  std::string target = "/v1/tokens?limit=2";
  for (std::size_t pages = 1; !target.empty(); ++pages) {
    const trust::Json page = json(send("GET", target, "", admin_));
    ASSERT_TRUE(page.find("tokens")) << page.compact();
    EXPECT_EQ(page.find("tokens")->array()->size(), pages < 3 ? 2u : 1u);
    for (const trust::Json& one : *page.find("tokens")->array()) {
      ids.insert(*one.find("id")->string());
      created.push_back(*one.find("created")->string());
    }
    target = page.find("next") ? *page.find("next")->string() : "";
  }
  EXPECT_EQ(ids.size(), 5u);
  EXPECT_TRUE(std::ranges::is_sorted(created, std::greater<>()));
  EXPECT_EQ(send("GET", "/v1/tokens?after=none", "", admin_).status, 404);
}

TEST_F(Routing, ADatabaseThatIsBrokenIsTheHubsOwnTrouble) {
  ASSERT_TRUE(writer_
                  ->write([](Database& database) {
                    return database.run("ALTER TABLE device RENAME TO away");
                  })
                  .ok());
  const Response response = send("GET", "/v1/devices", "", admin_);
  EXPECT_EQ(response.status, 500);
  // Its words are for the log, by the request's id.
  EXPECT_EQ(response.body.find("device"), std::string::npos) << response.body;
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("request r1: GET /v1/devices: "), std::string::npos) << log_[0];
  EXPECT_NE(log_[0].find("FROM device"), std::string::npos) << log_[0];
}

}  // namespace
}  // namespace polder::hub
