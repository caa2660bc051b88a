// For tests of nodes: makes a node from TOML text and feeds it packets.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/node.h"

namespace polder::pipeline {

inline Result<std::unique_ptr<Node>> make_node(const NodeType& type, std::string_view toml,
                                               const Environment& environment = {}) {
  const auto parsed = parse_toml(toml, "test.toml");
  if (!parsed.ok()) return parsed.error();
  auto settings = Settings::check(*parsed, type.options, "test.toml", type.name);
  if (!settings.ok()) return std::move(settings).error();
  return type.make(*settings, environment);
}

// A payload for an input, with an endless pool behind it.
class PacketMaker {
 public:
  template <class T>
  T& make(std::uint64_t seq, std::int64_t t_us) {
    pools_.push_back(std::make_unique<PayloadPool>(T::kKind, 1));
    packet_ = {};
    packet_.seq = seq;
    packet_.t_capture_us = packet_.t_arrival_us = t_us;
    packet_.payload = pools_.back()->acquire();
    return static_cast<T&>(*packet_.payload.get());
  }
  const Packet& packet() const { return packet_; }

 private:
  std::vector<std::unique_ptr<PayloadPool>> pools_;
  Packet packet_;
};

// Runs one node by hand. After run(), output() holds what it emitted.
class NodeRunner {
 public:
  NodeRunner(const NodeType& type, std::string_view toml, const Environment& environment = {})
      : pool_(type.output == PayloadKind::kNone ? PayloadKind::kEvents : type.output, 2) {
    auto made = make_node(type, toml, environment);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    if (made.ok()) node_ = std::move(made).value();
  }

  Status run(const std::vector<Packet>& inputs) {
    output_ = {};
    Emitter out(&pool_);
    Status status = node_->process(inputs, out);
    emitted_ = out.emitted();
    ended_ = out.ended();
    if (emitted_) output_ = std::move(out.packet());
    return status;
  }
  Status finish() {
    output_ = {};
    Emitter out(&pool_);
    Status status = node_->finish(out);
    emitted_ = out.emitted();
    if (emitted_) output_ = std::move(out.packet());
    return status;
  }

  template <class T>
  const T& output() const {
    return output_.as<T>();
  }
  const Packet& packet() const { return output_; }
  bool emitted() const { return emitted_; }
  bool ended() const { return ended_; }
  Node& node() { return *node_; }

 private:
  PayloadPool pool_;
  std::unique_ptr<Node> node_;
  Packet output_;
  bool emitted_ = false, ended_ = false;
};

}  // namespace polder::pipeline
