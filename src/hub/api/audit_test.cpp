// The audit log through the API, and that each act has one entry whatever was cut off.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "hub/api/testing_hub.h"
#include "trust/audit_proof.h"

namespace polder::hub {
namespace {

class Audit : public HubTest {
 protected:
  // What was put on record so far is in the log: it is moved by another thread.
  void settle() {
    const auto is_moved = [&] {
      const auto rows = readers_->query("SELECT 1 FROM audit_pending LIMIT 1");
      return rows.ok() && rows->empty();
    };
    while (!is_moved()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  trust::Json page(const std::string& target) const {
    const Response response = send("GET", target, "", admin_);
    EXPECT_EQ(response.status, 200) << response.body;
    return json(response);
  }
  static std::vector<std::string> column(const trust::Json& page, std::string_view name) {
    std::vector<std::string> all;
    for (const trust::Json& entry : *page.find("entries")->array())
      all.push_back(entry.find(name)->compact());
    return all;
  }
  std::size_t log_size() const {
    const auto log = open_readable(audit_file());
    trust::LogReader reader(**log);
    std::size_t count = 0;
    while (*reader.next()) ++count;
    return count;
  }
};

TEST_F(Audit, EntriesComeInPagesTheNewestFirstAndMayBeChosen) {
  for (int i = 0; i < 3; ++i) {
    trust::TestSigner key(trust::Scheme::kEcdsaP256);
    enrolled(key, "cam-" + std::to_string(i));
  }
  EXPECT_EQ(send("POST", "/v1/devices/cam-1/revoke", "", admin_).status, 204);
  settle();
  // The log's own first entry, the admin, three tokens that enrol three devices, one revoked.
  const trust::Json all = page("/v1/audit");
  EXPECT_EQ(column(all, "sequence"),
            (std::vector<std::string>{"8", "7", "6", "5", "4", "3", "2", "1", "0"}));
  EXPECT_EQ(column(all, "act").front(), "\"device_revoked\"");
  EXPECT_EQ(column(all, "act").back(), "\"log_created\"");
  std::vector<std::string> sequences;
  for (std::string target = "/v1/audit?limit=4"; !target.empty();) {
    const trust::Json part = page(target);
    for (std::string& one : column(part, "sequence")) sequences.push_back(std::move(one));
    target = part.find("next") ? *part.find("next")->string() : "";
  }
  EXPECT_EQ(sequences, column(all, "sequence"));
  EXPECT_EQ(column(page("/v1/audit?object=cam-1"), "act"),
            (std::vector<std::string>{"\"device_revoked\"", "\"device_enrolled\""}));
  const trust::Json enrolled_ones = page("/v1/audit?act=device_enrolled&limit=2");
  EXPECT_EQ(column(enrolled_ones, "object"), (std::vector<std::string>{"\"cam-2\"", "\"cam-1\""}));
  EXPECT_EQ(*enrolled_ones.find("next")->string(),
            "/v1/audit?limit=2&before=5&act=device_enrolled");
  EXPECT_EQ(column(page("/v1/audit?actor=nobody"), "act").size(), 0u);
  const Response unknown = send("GET", "/v1/audit?act=device_enroled", "", admin_);
  EXPECT_EQ(unknown.status, 400);
  EXPECT_NE(text(unknown, "detail").find("device_enrolled"), std::string::npos) << unknown.body;
}

TEST_F(Audit, EachEntryIsProvenByTheKeyOfTheLog) {
  trust::TestSigner key(trust::Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  settle();
  const Response checkpoint = send("GET", "/v1/audit/checkpoint", "", admin_);
  ASSERT_EQ(checkpoint.status, 200) << checkpoint.body;
  const auto log_key = trust::PublicKey::from_pem(text(checkpoint, "key"));
  ASSERT_TRUE(log_key.ok());
  const trust::Json all = page("/v1/audit");
  const std::vector<std::string> lines = column(all, "line");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string sequence = std::to_string(lines.size() - 1 - i);
    const Response proof = send("GET", "/v1/audit/" + sequence + "/proof", "", admin_);
    ASSERT_EQ(proof.status, 200) << proof.body;
    const auto proven = trust::check_proof(proof.body, {&*log_key, 1}, "proof");
    ASSERT_TRUE(proven.ok()) << proven.error().message;
    EXPECT_EQ(proven->entry->sequence, lines.size() - 1 - i);
    EXPECT_EQ(trust::Json(*proven->entry->line()).compact(), lines[i]);
  }
  for (const char* const none : {"99", "-1", "1e3", "none", "99999999999999999999"})
    EXPECT_EQ(send("GET", std::string("/v1/audit/") + none + "/proof", "", admin_).status, 404)
        << none;
}

TEST_F(Audit, WhatTheLogHasAndTheDatabaseDoesNotIsCopiedAndNotDoneAgain) {
  trust::TestSigner key(trust::Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  settle();
  const std::size_t entries = log_size();
  const trust::Json before = page("/v1/audit");
  stop();
  // As if the plug had been pulled between the log and the database: the acts still wait.
  const auto database = open_database(where_);
  ASSERT_TRUE(database.ok());
  const auto rows = (*database)->query(
      "SELECT actor, act, object, line, sequence FROM audit_entry WHERE sequence > 1");
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2u);
  for (const Row& row : *rows) {
    const auto entry = trust::Entry::parse(row[3].text(), "line");
    ASSERT_TRUE(entry.ok());
    trust::Json::Members details = entry->details;
    const std::string id = *details.at("id").string();
    details.erase("id");
    ASSERT_TRUE(
        (*database)
            ->run("INSERT INTO audit_pending (place, id, time_s, actor, act, object, "
                  "details) VALUES (?, ?, ?, ?, ?, ?, ?)",
                  {row[4], id, kNowS, row[0], row[1], row[2], trust::Json(details).compact()})
            .ok());
  }
  ASSERT_TRUE((*database)->run("DELETE FROM audit_entry WHERE sequence > 1").ok());
  start();
  settle();
  EXPECT_EQ(log_size(), entries);
  EXPECT_EQ(page("/v1/audit").compact(), before.compact());
  EXPECT_TRUE(troubles_.empty()) << troubles_[0];
}

TEST_F(Audit, ALogFromBeforeIsNotGoneOnWith) {
  settle();
  stop();
  std::filesystem::copy_file(audit_file(), folder_ / "kept");
  start();
  trust::TestSigner key(trust::Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  settle();
  stop();
  std::filesystem::rename(folder_ / "kept", audit_file());
  std::filesystem::remove(audit_file() + ".checkpoints");
  start();
  trust::TestSigner other(trust::Scheme::kEcdsaP256);
  enrolled(other, "cam-2");  // goes on; its entry waits
  stop();                    // the last try of all
  ASSERT_FALSE(troubles_.empty());
  EXPECT_NE(troubles_.back().find("a copy from before"), std::string::npos) << troubles_.back();
  EXPECT_EQ(log_size(), 2u);
}

}  // namespace
}  // namespace polder::hub
