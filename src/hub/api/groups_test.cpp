// Groups: names for queries of devices.
#include <gtest/gtest.h>

#include "hub/api/testing_hub.h"

namespace polder::hub {
namespace {

class Groups : public HubTest {
 protected:
  Response set(const std::string& name, const std::string& query, const std::string& by = "") {
    return send("PUT", "/v1/groups/" + name, R"({"query":")" + query + R"("})",
                by.empty() ? admin_ : by);
  }
};

TEST_F(Groups, AreNamesForQueries) {
  trust::TestSigner one(trust::Scheme::kEcdsaP256), two(trust::Scheme::kEcdsaP256);
  enrolled(one, "cam-1");
  enrolled(two, "cam-2");
  for (const char* device : {"cam-1", "cam-2"})
    EXPECT_EQ(send("PUT", std::string("/v1/devices/") + device + "/tags",
                   R"({"site":"ams","line":"3"})", admin_)
                  .status,
              200);
  EXPECT_EQ(send("GET", "/v1/groups", "", admin_).body, "{\"groups\":[]}\n");
  const Response made = set("hall", "site=ams,line=3", token(Role::kOperator));
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(*json(made).find("devices")->integer(), 2);
  EXPECT_EQ(text(made, "query"), "line=3,site=ams");
  EXPECT_EQ(text(made, "set_by"), "operator");
  EXPECT_EQ(send("POST", "/v1/devices/cam-2/revoke", "", admin_).status, 204);
  const Response shown = send("GET", "/v1/groups/hall", "", token(Role::kViewer));
  EXPECT_EQ(*json(shown).find("devices")->integer(), 1);
  EXPECT_EQ(set("hall", "site=rtm").status, 200);
  EXPECT_EQ(set("door", "site=ams").status, 200);
  const trust::Json all = json(send("GET", "/v1/groups", "", admin_));
  ASSERT_EQ(all.find("groups")->array()->size(), 2u);
  EXPECT_EQ(*all.find("groups")->array()->at(0).find("name")->string(), "door");
  EXPECT_EQ(*all.find("groups")->array()->at(1).find("devices")->integer(), 0);
  EXPECT_EQ(send("POST", "/v1/groups/hall/remove", "", admin_).status, 204);
  EXPECT_EQ(send("GET", "/v1/groups/hall", "", admin_).status, 404);
  EXPECT_EQ(send("POST", "/v1/groups/hall/remove", "", admin_).status, 404);
}

TEST_F(Groups, AreRefusedWithoutAQuery) {
  EXPECT_EQ(set("hall", "").status, 400);
  EXPECT_EQ(set("hall", "site").status, 400);
  EXPECT_EQ(set("-hall", "site=ams").status, 400);
  EXPECT_EQ(set("hall", "site=ams", token(Role::kViewer)).status, 403);
  EXPECT_EQ(send("PUT", "/v1/groups/hall", R"({"query":"a=b","x":1})", admin_).status, 400);
}

TEST_F(Groups, AreAtMostSoMany) {
  for (int i = 0; i < 200; ++i) {
    clock_.advance_us(1'000'000);
    ASSERT_EQ(set("g" + std::to_string(i), "site=ams").status, 200) << i;
  }
  clock_.advance_us(1'000'000);
  const Response more = set("more", "site=ams");
  EXPECT_EQ(more.status, 409);
  EXPECT_NE(text(more, "detail").find("200 groups, as many as there can be: remove one"),
            std::string::npos)
      << more.body;
  EXPECT_EQ(set("g7", "site=rtm").status, 200);
}

}  // namespace
}  // namespace polder::hub
