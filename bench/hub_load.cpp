// Simulated devices against a hub, over real mutual TLS 1.3; bench/hub drives it.
//
//   hub_load prepare HUB_FOLDER DEVICES FOLDER   enrols them straight in the hub's database
//   hub_load run MODE PORT CA FOLDER SECONDS RATE REPORTS
//
// A request is a check-in with so many reports, each of one unit's window: a row of telemetry.
//
// MODE: "established": each device keeps a connection and asks at RATE / DEVICES a second, each at
// its own time; latency counts from when a request was due, so that a hub that falls behind is not
// excused. "full", "resumed": handshakes alone, CONNECTIONS at once, each until the hub's session
// tickets have come, which it sends when it has verified the device. "mixed": as "established", but
// each request has a connection of its own, of which one in twenty does not resume a session.
// Prints JSON.
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fail.h"
#include "hub/authority.h"
#include "hub/store/ask.h"
#include "hub/store/database.h"
#include "platform/clock.h"
#include "platform/file.h"
#include "proto/report.h"
#include "trust/certificate.h"
#include "trust/passphrase.h"
#include "trust/signer.h"

namespace polder::hub {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Stream = asio::ssl::stream<tcp::socket>;
constexpr auto kAwait = asio::experimental::as_tuple(asio::use_awaitable);
constexpr std::size_t kMaxPem = 64 << 10;
constexpr std::size_t kHandshakesAtOnce = 32;

std::string file_of(const std::string& folder, int device) {
  return fmt::format("{}/load-{}.pem", folder, device);
}

// --- Devices -------------------------------------------------------------------------------------

Status prepare(const std::string& hub, int devices, const std::string& folder) {
  trust::NoPassphrase none;
  TRY_VALUE(auto key, trust::open_signer("file:" + hub + "/ca-key.pem", none));
  TRY_VALUE(std::string pem, read_file(hub + "/ca.pem", kMaxPem));
  Authority authority(std::move(key), std::move(pem));
  TRY_VALUE(const auto database, open_database(hub + "/hub.db"));
  const std::int64_t now_s = SystemWallClock().now_s();
  std::filesystem::create_directories(folder);
  return database->transaction([&]() -> Status {
    for (int i = 0; i < devices; ++i) {
      const std::string name = fmt::format("load-{}", i), file = file_of(folder, i);
      std::filesystem::remove(file);
      TRY_VALUE(const trust::PublicKey own,
                trust::create_key("file:" + file, trust::Scheme::kEcdsaP256, none));
      TRY_VALUE(const std::string certificate, authority.issue(own, name, now_s));
      TRY_VALUE(const trust::CertificateFacts facts, trust::read_certificate(certificate));
      TRY(tell(*database, "INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, ?)",
               {name, own.id(), now_s}));
      TRY(tell(*database,
               "INSERT INTO certificate (serial, device, pem, issued_s, until_s, seen_s) "
               "VALUES (?, ?, ?, ?, ?, ?)",
               {facts.serial, name, certificate, now_s, facts.until_s, now_s}));
      TRY_VALUE(const std::string both, read_file(file, kMaxPem));
      TRY(write_file_atomic(file, both + certificate));
    }
    return {};
  });
}

// --- Load ----------------------------------------------------------------------------------------

struct Options {
  std::string mode, ca, folder;
  int reports = 1;  // of a check-in
  std::uint16_t port = 0;
  int seconds = 10;
  double rate = 1'000;  // of all devices together
};

struct Figures {
  std::vector<double> latency_ms;
  std::map<int, std::uint64_t> statuses;
  std::uint64_t full = 0, resumed = 0, cut = 0;
};

using Session = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

// Where a connection has its device.
int device_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// One device: its identity, and the session that it resumes.
struct Device {
  explicit Device(const Options& options, const std::string& file)
      : tls(asio::ssl::context::tlsv13_client) {
    tls.load_verify_file(options.ca);
    tls.set_verify_mode(asio::ssl::verify_peer);
    tls.use_certificate_file(file, asio::ssl::context::pem);
    tls.use_private_key_file(file, asio::ssl::context::pem);
    SSL_CTX_set_session_cache_mode(tls.native_handle(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(tls.native_handle(), [](SSL* ssl, SSL_SESSION* given) {
      auto* const device = static_cast<Device*>(SSL_get_ex_data(ssl, device_index()));
      device->session.reset(given);
      // The reader's callback is done when it has returned.
      if (device->waits_for_ticket) {
        error_code ignored;
        device->waits_for_ticket->shutdown(tcp::socket::shutdown_receive, ignored);
      }
      return 1;
    });
  }
  asio::ssl::context tls;
  Session session{nullptr, SSL_SESSION_free};
  tcp::socket* waits_for_ticket = nullptr;
  std::uint64_t sequence = 1;
};

// As one that counts people sends it: six stages, of whose latencies there are a few values each.
std::string checkin_of(std::size_t device, std::uint64_t sequence, int reports) {
  static const std::uint64_t epoch = static_cast<std::uint64_t>(SystemClock().now_us());
  proto::Checkin checkin{.program = "load", .timestamp = 0, .reports = {}};
  for (int i = 0; i < reports; ++i) {
    proto::ReportUnit unit{.name = "people", .health = proto::ReportHealth::kWell, .frames = 3'000};
    unit.release = proto::ReportRelease{.model = "people", .version = "1.0.0"};
    for (const char* const name : {"camera", "tile", "infer", "detect", "track", "events"}) {
      proto::ReportStage stage{.name = name, .packets = 3'000};
      for (int k = 0; k < 12; ++k) stage.latency_ms.add(5 + 2 * k, 250);
      unit.stages.push_back(std::move(stage));
    }
    proto::ReportMetrics metrics{.window_ms = 300'000};
    metrics.units.push_back(std::move(unit));
    checkin.reports.push_back({.device = fmt::format("load-{}", device),
                               .program = "load",
                               .boot = 1,
                               .sequence = sequence + static_cast<std::uint64_t>(i),
                               .time_s = SystemWallClock().now_s(),
                               .epoch = epoch,
                               .what = std::move(metrics)});
  }
  auto bytes = proto::encode(checkin);
  if (!bytes.ok()) std::fprintf(stderr, "hub_load: %s\n", bytes.error().message.c_str());
  return bytes.ok() ? std::move(*bytes) : "";
}

class Load {
 public:
  explicit Load(Options options) : options_(std::move(options)) {}

  Status run() {
    for (int i = 0;; ++i) {
      const std::string file = file_of(options_.folder, i);
      if (!std::filesystem::exists(file)) break;
      devices_.push_back(std::make_unique<Device>(options_, file));
    }
    if (devices_.empty()) return fail(Code::kNotFound, "{}: no device", options_.folder);
    const bool is_established = options_.mode == "established";
    const bool is_mixed = options_.mode == "mixed";
    if (is_established || is_mixed) {
      // Connected, or with a session, before the clock starts.
      for (std::size_t i = 0; i < devices_.size(); ++i) streams_.push_back(nullptr);
      for (std::size_t worker = 0; worker < kHandshakesAtOnce; ++worker)
        asio::co_spawn(io_, connect_all(worker, is_established), asio::detached);
      io_.run();
      io_.restart();
      figures_ = {};
    }
    begin_ = Clock::now();
    end_ = begin_ + std::chrono::seconds(options_.seconds);
    if (is_established || is_mixed) {
      for (std::size_t i = 0; i < devices_.size(); ++i)
        asio::co_spawn(io_, ask_on(i, is_mixed), asio::detached);
    } else {
      for (std::size_t i = 0; i < std::min(kHandshakesAtOnce, devices_.size()); ++i)
        asio::co_spawn(io_, shake_on(*devices_[i], options_.mode == "resumed"), asio::detached);
    }
    io_.run();
    seconds_ = std::chrono::duration<double>(Clock::now() - begin_).count();
    return {};
  }

  void print() {
    std::vector<double>& all = figures_.latency_ms;
    std::ranges::sort(all);
    const auto at = [&](double share) {
      if (all.empty()) return 0.0;
      return all[std::min(all.size() - 1, static_cast<std::size_t>(share * double(all.size())))];
    };
    std::string statuses;
    for (const auto& [status, count] : figures_.statuses)
      statuses += fmt::format("{}\"{}\": {}", statuses.empty() ? "" : ", ", status, count);
    fmt::print(
        "{{\"mode\": \"{}\", \"devices\": {}, \"seconds\": {:.2f}, \"requests\": {}, \"per_s\": "
        "{:.1f}, \"p50_ms\": {:.2f}, \"p99_ms\": {:.2f}, \"max_ms\": {:.2f}, \"full\": {}, "
        "\"resumed\": {}, \"cut\": {}, \"statuses\": {{{}}}}}\n",
        options_.mode, devices_.size(), seconds_, all.size(), double(all.size()) / seconds_,
        at(0.5), at(0.99), all.empty() ? 0 : all.back(), figures_.full, figures_.resumed,
        figures_.cut, statuses);
  }

 private:
  // A session of a connection that ended in disorder would not be resumed.
  static void end(std::unique_ptr<Stream>& stream) {
    if (stream)
      SSL_set_shutdown(stream->native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    stream = nullptr;
  }

  asio::awaitable<std::unique_ptr<Stream>> connect(Device& device, bool resumes) {
    auto stream = std::make_unique<Stream>(io_, device.tls);
    const tcp::endpoint hub(asio::ip::address_v4::loopback(), options_.port);
    const auto [failed] = co_await stream->next_layer().async_connect(hub, kAwait);
    if (failed) co_return nullptr;
    error_code ignored;
    stream->next_layer().set_option(tcp::no_delay(true), ignored);
    SSL* const ssl = stream->native_handle();
    SSL_set_ex_data(ssl, device_index(), &device);
    if (resumes && device.session) SSL_set_session(ssl, device.session.get());
    const auto [refused] = co_await stream->async_handshake(asio::ssl::stream_base::client, kAwait);
    if (refused) co_return nullptr;
    ++(SSL_session_reused(ssl) == 1 ? figures_.resumed : figures_.full);
    co_return stream;
  }

  // The status; 0 when the connection was cut.
  asio::awaitable<int> ask(Stream& stream, std::size_t device) {
    const std::string body = checkin_of(device, devices_[device]->sequence, options_.reports);
    devices_[device]->sequence += static_cast<std::uint64_t>(options_.reports);
    const std::string text = fmt::format(
        "POST /v1/checkin HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\n"
        "Content-Length: {}\r\n\r\n{}",
        proto::kCheckinType, body.size(), body);
    const auto [unsent, sent] = co_await asio::async_write(stream, asio::buffer(text), kAwait);
    if (unsent) co_return 0;
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    const auto [error, count] = co_await http::async_read(stream, buffer, parser, kAwait);
    co_return error ? 0 : parser.get().result_int();
  }

  asio::awaitable<void> connect_all(std::size_t worker, bool stays) {
    for (std::size_t i = worker; i < devices_.size(); i += kHandshakesAtOnce) {
      auto stream = co_await connect(*devices_[i], false);
      if (stream) co_await ask(*stream, i);  // the ticket comes with the answer
      if (stays) streams_[i] = std::move(stream);
      else end(stream);
    }
  }

  asio::awaitable<void> ask_on(std::size_t number, bool anew) {
    Device& device = *devices_[number];
    const double period_s = double(devices_.size()) / options_.rate;
    const auto period =
        std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(period_s));
    Clock::time_point due = begin_ + period * number / devices_.size();
    asio::steady_timer timer(io_);
    for (std::uint64_t i = number; due < end_; due += period, ++i) {
      timer.expires_at(due);
      co_await timer.async_wait(kAwait);
      std::unique_ptr<Stream>& stream = streams_[number];
      if (anew) end(stream);
      if (!stream) stream = co_await connect(device, i % 20 != 0);
      const int status = stream ? co_await ask(*stream, number) : 0;
      if (status == 0) {
        ++figures_.cut;
        end(stream);
        continue;
      }
      ++figures_.statuses[status];
      figures_.latency_ms.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - due).count());
    }
  }

  asio::awaitable<void> shake_on(Device& device, bool resumes) {
    while (Clock::now() < end_) {
      const Clock::time_point start = Clock::now();
      auto stream = co_await connect(device, resumes);
      if (!stream) {
        ++figures_.cut;
        continue;
      }
      device.waits_for_ticket = &stream->next_layer();
      std::array<char, 64> rest{};
      co_await stream->async_read_some(asio::buffer(rest), kAwait);
      device.waits_for_ticket = nullptr;
      end(stream);
      figures_.latency_ms.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    }
  }

  const Options options_;
  asio::io_context io_{1};
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::unique_ptr<Stream>> streams_;
  Clock::time_point begin_, end_;
  double seconds_ = 0;
  Figures figures_;
};

Status main_of(const std::vector<std::string>& words) {
  if (words.size() == 4 && words[0] == "prepare")
    return prepare(words[1], std::atoi(words[2].c_str()), words[3]);
  if (words.size() != 8 || words[0] != "run")
    return fail(Code::kInvalid, "see the head of bench/hub_load.cpp");
  Options options{.mode = words[1], .ca = words[3], .folder = words[4]};
  options.port = static_cast<std::uint16_t>(std::atoi(words[2].c_str()));
  options.seconds = std::atoi(words[5].c_str());
  options.rate = std::atof(words[6].c_str());
  options.reports = std::atoi(words[7].c_str());
  Load load(std::move(options));
  TRY(load.run());
  load.print();
  return {};
}

}  // namespace
}  // namespace polder::hub

int main(int argc, char** argv) {
  const polder::Status done = polder::hub::main_of({argv + 1, argv + argc});
  if (!done.ok()) std::fprintf(stderr, "hub_load: %s\n", done.error().message.c_str());
  return done.ok() ? 0 : 1;
}
