#include "pipeline/packet.h"

#include <algorithm>

#include "base/check.h"

namespace polder::pipeline {
namespace {

std::unique_ptr<Payload> make_payload(PayloadKind kind) {
  switch (kind) {
    case PayloadKind::kImage: return std::make_unique<Image>();
    case PayloadKind::kTiles: return std::make_unique<Tiles>();
    case PayloadKind::kTensors: return std::make_unique<Tensors>();
    case PayloadKind::kDetections: return std::make_unique<Detections>();
    case PayloadKind::kTracks: return std::make_unique<Tracks>();
    case PayloadKind::kAudio: return std::make_unique<Audio>();
    case PayloadKind::kEvents: return std::make_unique<Events>();
    case PayloadKind::kNone: break;
  }
  POLDER_CHECK(!"a pool of nothing");
  return nullptr;
}

float intersection(const Rect& a, const Rect& b) {
  const float w = std::min(a.right(), b.right()) - std::max(a.x, b.x);
  const float h = std::min(a.bottom(), b.bottom()) - std::max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

}  // namespace

std::string_view kind_name(PayloadKind kind) {
  switch (kind) {
    case PayloadKind::kNone: return "nothing";
    case PayloadKind::kImage: return "image";
    case PayloadKind::kTiles: return "tiles";
    case PayloadKind::kTensors: return "tensors";
    case PayloadKind::kDetections: return "detections";
    case PayloadKind::kTracks: return "tracks";
    case PayloadKind::kAudio: return "audio";
    case PayloadKind::kEvents: return "events";
  }
  return "?";
}

PayloadRef::~PayloadRef() {
  if (payload_ && payload_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
    payload_->home_->give_back(payload_);
}

PayloadPool::PayloadPool(PayloadKind kind, int count) {
  payloads_.reserve(std::size_t(count));
  free_.reserve(std::size_t(count));
  for (int i = 0; i < count; ++i) {
    payloads_.push_back(make_payload(kind));
    payloads_.back()->home_ = this;
    free_.push_back(payloads_.back().get());
  }
}

PayloadRef PayloadPool::acquire() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return {};
  Payload* payload = free_.back();
  free_.pop_back();
  return PayloadRef(payload);
}

void PayloadPool::give_back(Payload* payload) {
  const std::lock_guard lock(mutex_);
  free_.push_back(payload);
}

int PayloadPool::idle() const {
  const std::lock_guard lock(mutex_);
  return int(free_.size());
}

float iou(const Rect& a, const Rect& b) {
  const float both = intersection(a, b);
  const float either = a.area() + b.area() - both;
  return either > 0 ? both / either : 0;
}

float overlap_of_smaller(const Rect& a, const Rect& b) {
  const float smaller = std::min(a.area(), b.area());
  return smaller > 0 ? intersection(a, b) / smaller : 0;
}

void Image::resize(int new_width, int new_height) {
  width = new_width;
  height = new_height;
  stride = new_width * 3;
  pixels.resize(std::size_t(stride) * std::size_t(new_height));
}

void Tensor::reset(DataType new_type, const Shape& new_shape) {
  type = new_type;
  shape = new_shape;
  data.resize(std::size_t(shape.elements()) * size_of(type));
}

void Tensors::resize(int count, int tensors) {
  if (int(runs.size()) < count) runs.resize(std::size_t(count));
  for (auto& run : runs)
    if (int(run.size()) != tensors) run.resize(std::size_t(tensors));
  run_count = count;
}

}  // namespace polder::pipeline
