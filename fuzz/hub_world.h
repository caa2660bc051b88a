// A small hub for the fuzz target hub_request and its seeds: four devices with reports, a model
// with two releases and a third that waits for approval, a group, tokens, and a rollout that is
// under way beside one that is paused.
//
//   HubWorld world;
//   const hub::Response response = world.ask("GET /v1/devices\nRange: bytes=0-1\n\n");
//
// A request is a line METHOD TARGET, a line of each header, an empty line, the body. It is asked by
// an administrator who also shows the certificate of cam-1. What chance names, and differs from one
// world to the next, a request names by words(): "@rollout".
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "hub/api/router.h"
#include "trust/testing.h"

namespace polder::fuzz {

class HubWorld {
 public:
  HubWorld();
  ~HubWorld();

  // By a router of its own, so that nobody asks too often. Ends the process where the hub logs a
  // trouble of its own.
  hub::Response ask(std::string_view text);
  // What follows from what was asked, an hour later: rollouts go on, assignments are published.
  void go_on();
  // As it was at first.
  void reset();
  // "@enrolment", with what it stands for, and so on.
  const std::map<std::string, std::string>& words() const { return words_; }
  // Requests of a device: its certificate request, and its reports.
  static std::string certificate_request(const std::string& device);
  static std::string checkin(const std::string& device, std::uint64_t sequence);

 private:
  void start();
  void stop();
  void begin_again();
  void fill();
  void publish_two();
  void ask_for_a_third();
  void enrol_devices();
  void look(std::uint64_t sequence);
  std::string begin_rollout(const std::string& site);
  void begin_rollouts();
  // Of the hub or of a releaser; the document that is answered. Ends the process on a refusal.
  trust::Json done(const hub::Request& request);
  trust::Json done(std::string method, std::string target, const trust::Json& body = {});
  trust::Json upload(const std::string& repo);
  std::string ask_for(const trust::Json& publication);
  void turn();

  const std::filesystem::path folder_, live_;
  ManualWallClock wall_;
  std::string admin_, releaser_, certificate_, authority_pem_;
  std::map<std::string, std::string> words_;
  std::unique_ptr<hub::Writer> writer_;
  std::unique_ptr<hub::Readers> readers_;
  std::unique_ptr<hub::Authority> authority_;
  std::unique_ptr<hub::Recorder> recorder_;
  std::unique_ptr<hub::OnlineRepository> repository_;
  std::unique_ptr<hub::Uploads> uploads_;
  std::unique_ptr<hub::Publisher> publisher_;
  std::unique_ptr<hub::Hub> hub_;
};

}  // namespace polder::fuzz
