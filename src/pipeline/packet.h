// What travels on the edges of a pipeline: a header with times and a privacy label, and a payload
// from a fixed pool. A payload is written by the node that made it and read-only afterwards.
#pragma once

#include <polder/tensor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace polder::pipeline {

// Bits, so that an input can accept several kinds.
enum class PayloadKind : std::uint16_t {
  kNone = 0,
  kImage = 1,
  kTiles = 2,
  kTensors = 4,
  kDetections = 8,
  kTracks = 16,
  kAudio = 32,
  kEvents = 64,
};
std::string_view kind_name(PayloadKind kind);

// Raw: pixels or samples from which a person can be recognised. Derived: boxes, numbers, events.
enum class Privacy : std::uint8_t { kDerived, kRaw };

class PayloadPool;

struct Payload {
  virtual ~Payload() = default;

 private:
  friend class PayloadPool;
  friend class PayloadRef;
  std::atomic<int> references_{0};
  PayloadPool* home_ = nullptr;
};

// A counted reference; the last one returns the payload to its pool.
class PayloadRef {
 public:
  PayloadRef() = default;
  explicit PayloadRef(Payload* payload) : payload_(payload) {
    if (payload_) payload_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  PayloadRef(const PayloadRef& other) : PayloadRef(other.payload_) {}
  PayloadRef(PayloadRef&& other) noexcept : payload_(std::exchange(other.payload_, nullptr)) {}
  PayloadRef& operator=(PayloadRef other) noexcept {
    std::swap(payload_, other.payload_);
    return *this;
  }
  ~PayloadRef();
  explicit operator bool() const { return payload_ != nullptr; }
  Payload* get() const { return payload_; }

 private:
  Payload* payload_ = nullptr;
};

// A fixed number of payloads of one kind, made up front; their buffers keep their size between
// uses. Thread-safe. Outlives every reference to its payloads.
class PayloadPool {
 public:
  PayloadPool(PayloadKind kind, int count);
  // An empty reference when all are in use.
  PayloadRef acquire();
  int count() const { return int(payloads_.size()); }
  int idle() const;

 private:
  friend class PayloadRef;
  void give_back(Payload* payload);
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Payload>> payloads_;
  std::vector<Payload*> free_;
};

struct Packet {
  std::uint32_t stream = 0;       // which source
  std::uint64_t seq = 0;          // counts the source's packets from 0
  std::int64_t t_capture_us = 0;  // when the sensor saw it; rises strictly within a stream
  std::int64_t duration_us = 0;   // of the samples in it; 0: it shows one moment
  std::int64_t t_arrival_us = 0;  // when it entered the pipeline
  std::int64_t deadline_us = 0;   // when its result is of no more use; 0: never
  Privacy privacy = Privacy::kDerived;
  PayloadRef payload;

  // The payload; the loader has checked that the kinds fit.
  template <class T>
  const T& as() const {
    return static_cast<const T&>(*payload.get());
  }
};

struct Rect {
  float x = 0, y = 0, w = 0, h = 0;
  float right() const { return x + w; }
  float bottom() const { return y + h; }
  float area() const { return w * h; }
};
// Intersection over union; 0 when either is empty.
float iou(const Rect& a, const Rect& b);
// Intersection over the smaller of the two.
float overlap_of_smaller(const Rect& a, const Rect& b);

// 8-bit RGB, rows `stride` bytes apart.
struct Image final : Payload {
  static constexpr PayloadKind kKind = PayloadKind::kImage;
  int width = 0, height = 0, stride = 0;
  std::vector<std::uint8_t> pixels;
  // Sets the size; the pixels are as they were.
  void resize(int new_width, int new_height);
};

// How pixels of a tile map to pixels of the source: source = offset + scale * tile.
struct Crop {
  float scale_x = 1, scale_y = 1, offset_x = 0, offset_y = 0;
  Rect region;  // the part of the source that the tile shows, in source pixels
};

// Equal-sized RGB images cut from one source image, one after the other without padding. No crops:
// this packet was passed over (see `every`).
struct Tiles final : Payload {
  static constexpr PayloadKind kKind = PayloadKind::kTiles;
  int width = 0, height = 0;
  int source_width = 0, source_height = 0;
  std::vector<Crop> crops;
  std::vector<std::uint8_t> pixels;
};

struct Tensor {
  std::string name;
  DataType type = DataType::kF32;
  Shape shape;
  std::vector<std::byte> data;
  // Sets type and shape and sizes the data; keeps the memory.
  void reset(DataType new_type, const Shape& new_shape);
  TensorView view() const { return {const_cast<std::byte*>(data.data()), type, shape}; }
  float* f32() { return reinterpret_cast<float*>(data.data()); }
  const float* f32() const { return reinterpret_cast<const float*>(data.data()); }
};

// One list of tensors per tile: a model's inputs on the way in, its outputs on the way out.
struct Tensors final : Payload {
  static constexpr PayloadKind kKind = PayloadKind::kTensors;
  int tile_width = 0, tile_height = 0;
  int source_width = 0, source_height = 0;
  std::vector<Crop> crops;                // by tile; empty for audio
  std::vector<std::vector<Tensor>> runs;  // by tile; only the first run_count are in use
  int run_count = 0;                      // 0: passed over
  // Makes `count` runs with `tensors` each, keeping the memory of earlier ones.
  void resize(int count, int tensors);
};

using Labels = std::shared_ptr<const std::vector<std::string>>;

struct Detection {
  Rect box;  // source pixels
  float score = 0;
  int label = 0;
};

struct Detections final : Payload {
  static constexpr PayloadKind kKind = PayloadKind::kDetections;
  bool measured = false;  // false: the detector did not look at this packet
  int source_width = 0, source_height = 0;
  std::vector<Detection> items;
  Labels labels;
};

struct Track {
  std::int64_t id = 0;  // from 1, never used twice
  Rect box;             // source pixels
  float score = 0;      // of its last detection
  int label = 0;
  std::int64_t first_seen_us = 0;
  bool measured = false;  // a detection was assigned to it in this packet
};

struct Tracks final : Payload {
  static constexpr PayloadKind kKind = PayloadKind::kTracks;
  int source_width = 0, source_height = 0;
  std::vector<Track> items;
  Labels labels;
};

// Mono samples in -1…1.
struct Audio final : Payload {
  static constexpr PayloadKind kKind = PayloadKind::kAudio;
  int sample_rate_hz = 0;
  std::vector<float> samples;
};

struct Event {
  std::int64_t t_us = 0;  // of the capture
  std::uint64_t seq = 0;
  std::string kind;       // "cross", "enter", "leave", "dwell", "speech_start", "speech_end"
  std::string where;      // the line or zone
  std::string direction;  // "in", "out" or empty
  std::string label;
  std::int64_t track = 0;  // 0: none
  double value = 0;        // seconds of a dwell, probability of speech
};

// A number that a node keeps, as it is after this packet.
struct Counter {
  std::string name;
  double value = 0;
};

// What to draw over the scene: a line (2 points) or a polygon, in source pixels.
struct Outline {
  std::string name;
  std::vector<std::pair<float, float>> points;
  bool closed = false;
};

struct Events final : Payload {
  static constexpr PayloadKind kKind = PayloadKind::kEvents;
  std::vector<Event> items;
  std::vector<Counter> counters;
  std::shared_ptr<const std::vector<Outline>> outlines;
};

}  // namespace polder::pipeline
