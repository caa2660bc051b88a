// kernel_bench [SHAPES] [--network NAME] [--isa NAME] [--ms N]
//
// Runs the f32 kernels on one thread over the layers of the speed networks (bench/shapes.txt), each
// as a fusing compiler would call it, and prints the least time seen, GFLOP/s and the share of the
// core's measured peak; then the sum of each network's layers. The peak is measured again beside
// every layer, as clocks differ from second to second on shared machines.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "kernel/table.h"

namespace {

using namespace polder::kernel;

struct Freed {
  void operator()(float* p) const { std::free(p); }
};

// As in a session's arena: every tensor begins at a cache line.
class Buffer {
 public:
  explicit Buffer(std::int64_t count, float value = 0.01f)
      : data_(static_cast<float*>(std::aligned_alloc(64, std::size_t(count * 4 + 63) / 64 * 64))) {
    std::fill(data_.get(), data_.get() + count, value);
  }
  float* data() const { return data_.get(); }

 private:
  std::unique_ptr<float, Freed> data_;
};

double now_s() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

// The least time of one call, in seconds, over `budget_s` of calls.
template <class F>
double least_time(double budget_s, F&& f) {
  double best = 1e30;
  for (const double end = now_s() + budget_s; now_s() < end;) {
    const double start = now_s();
    f();
    best = std::min(best, now_s() - start);
  }
  return best;
}

struct Layer {
  std::string network, op, then;
  int count = 1;
  std::vector<int> in, out;
  int kernel[2] = {1, 1}, stride[2] = {1, 1}, pad[4] = {};
  double macs = 0;
};

std::vector<int> numbers(const std::string& text) {
  std::vector<int> values;
  int value = 0;
  bool digits = false;
  for (char c : text + ",") {
    if (c >= '0' && c <= '9') {
      value = value * 10 + (c - '0');
      digits = true;
    } else {
      if (digits) values.push_back(value);
      value = 0;
      digits = false;
    }
  }
  return values;
}

std::vector<Layer> read_layers(const char* path) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "kernel_bench: cannot read %s: give the path of bench/shapes.txt\n", path);
    std::exit(1);
  }
  std::vector<Layer> layers;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string in, out, kernel, stride, pad;
    Layer l;
    words >> l.network >> l.count >> l.op >> in >> out >> kernel >> stride >> pad >> l.then >>
        l.macs;
    l.in = numbers(in.substr(0, in.find('*')));
    l.out = numbers(out);
    for (int i = 0; i < 2 && kernel != "-"; ++i) {
      l.kernel[i] = numbers(kernel)[std::size_t(i)];
      l.stride[i] = numbers(stride)[std::size_t(i)];
    }
    for (int i = 0; i < 4 && pad != "-"; ++i) l.pad[i] = numbers(pad)[std::size_t(i)];
    if (in.find('*') != std::string::npos && numbers(in).size() == 8) {
      const std::vector<int> both = numbers(in);
      l.in.assign(both.begin(), both.begin() + 4);
    }
    layers.push_back(l);
  }
  return layers;
}

Activation activation_of(const std::string& then) {
  if (then.find("relu6") != std::string::npos) return kRelu6;
  if (then.find("relu") != std::string::npos) return kRelu;
  if (then.find("silu") != std::string::npos || then.find("swish") != std::string::npos) {
    return {Unary::kSilu, 0, 0};
  }
  if (then.find("sigmoid") != std::string::npos) return {Unary::kSigmoid, 0, 0};
  return {};
}

std::int64_t product(const std::vector<int>& dims) {
  std::int64_t n = 1;
  for (int d : dims) n *= d;
  return n;
}

template <class Args>
double time_of(Kernel<Args> kernel, const Args& args, double budget_s) {
  const int count = tasks(args);
  return least_time(budget_s, [&] { kernel(args, 0, count); });
}

double time_conv(const Kernels& k, const Layer& l, double budget_s) {
  const std::int64_t depth = std::int64_t(l.kernel[0]) * l.kernel[1] * l.in[3];
  Buffer in(product(l.in)), out(product(l.out)), weights(panel_elements(l.out[3], depth));
  Buffer bias(l.out[3]), residual(product(l.out));
  ConvArgs a;
  a.in = in.data(), a.weights = weights.data(), a.out = out.data();
  a.batch = l.in[0], a.in_h = l.in[1], a.in_w = l.in[2], a.in_c = l.in[3];
  a.out_h = l.out[1], a.out_w = l.out[2], a.out_c = l.out[3];
  a.kernel_h = l.kernel[0], a.kernel_w = l.kernel[1];
  a.stride_h = l.stride[0], a.stride_w = l.stride[1];
  a.pad_top = l.pad[0], a.pad_left = l.pad[1];
  a.in_stride = l.in[3], a.out_stride = l.out[3];
  const bool add = l.then.find("add") != std::string::npos;
  a.epilogue = {bias.data(), add ? residual.data() : nullptr, l.out[3], activation_of(l.then),
                false};
  return time_of(k.conv, a, budget_s);
}

double time_depthwise(const Kernels& k, const Layer& l, double budget_s) {
  Buffer in(product(l.in)), out(product(l.out)), bias(l.out[3]);
  Buffer weights(tap_elements(l.out[3], l.kernel[0] * l.kernel[1]));
  DepthwiseArgs a;
  a.in = in.data(), a.weights = weights.data(), a.out = out.data();
  a.batch = l.in[0], a.in_h = l.in[1], a.in_w = l.in[2], a.channels = l.in[3];
  a.multiplier = l.out[3] / l.in[3];
  a.out_h = l.out[1], a.out_w = l.out[2];
  a.kernel_h = l.kernel[0], a.kernel_w = l.kernel[1];
  a.stride_h = l.stride[0], a.stride_w = l.stride[1];
  a.pad_top = l.pad[0], a.pad_left = l.pad[1];
  a.in_stride = l.in[3], a.out_stride = l.out[3];
  a.epilogue = {bias.data(), nullptr, 0, activation_of(l.then), false};
  return time_of(k.depthwise, a, budget_s);
}

double time_gemm(const Kernels& k, const Layer& l, double budget_s) {
  const int m = l.in[0], depth = l.in[1], n = l.out[1];
  Buffer a(std::int64_t(m) * depth), c(std::int64_t(m) * n), weights(panel_elements(n, depth));
  Buffer bias(n);
  const GemmArgs args{a.data(),
                      weights.data(),
                      c.data(),
                      m,
                      n,
                      depth,
                      depth,
                      n,
                      {bias.data(), nullptr, 0, activation_of(l.then), false}};
  return time_of(k.gemm, args, budget_s);
}

double time_pool(const Kernels& k, const Layer& l, double budget_s) {
  Buffer in(product(l.in)), out(product(l.out));
  if (l.op == "avgpool" && l.out[1] == 1 && l.out[2] == 1) {
    const ReduceArgs mean{Reduction::kMean, in.data(), out.data(), 1, l.in[1] * l.in[2], l.in[3]};
    return time_of(k.reduce, mean, budget_s);
  }
  PoolArgs a;
  a.mode = l.op == "maxpool" ? PoolArgs::Mode::kMax : PoolArgs::Mode::kAverage;
  a.in = in.data(), a.out = out.data();
  a.channels = l.in[3], a.in_stride = a.out_stride = l.in[3];
  for (int d = 0; d < 2; ++d) {
    a.in_dims[d + 1] = l.in[std::size_t(d + 1)], a.out_dims[d + 1] = l.out[std::size_t(d + 1)];
    a.kernel[d + 1] = l.kernel[d], a.stride[d + 1] = l.stride[d];
    a.pad_begin[d + 1] = l.pad[d], a.pad_end[d + 1] = l.pad[d + 2];
  }
  return time_of(k.pool, a, budget_s);
}

// A factor per channel (squeeze and excite). What has no such factor is fused elsewhere.
double time_mul(const Kernels& k, const Layer& l, double budget_s) {
  const std::int64_t pixels = std::int64_t(l.out[1]) * l.out[2], channels = l.out[3];
  Buffer a(channels), b(pixels * channels), out(pixels * channels);
  BinaryArgs args{Binary::kMul,       a.data(), b.data(),     out.data(), 2,
                  {pixels, channels}, {0, 1},   {channels, 1}};
  merge_dims(args);
  return time_of(k.binary, args, budget_s);
}

double time_layer(const Kernels& k, const Layer& l, double budget_s) {
  if (l.op == "conv") return time_conv(k, l, budget_s);
  if (l.op == "depthwise") return time_depthwise(k, l, budget_s);
  if (l.op == "gemm") return time_gemm(k, l, budget_s);
  if (l.op == "maxpool" || l.op == "avgpool") return time_pool(k, l, budget_s);
  if (l.op == "mul" && product(l.in) < product(l.out)) return time_mul(k, l, budget_s);
  return 0;  // fused into the layer before it
}

// A product in first-level cache that the 6 x 16 tiles run at full speed: what the core can do now.
double peak_flops(const Kernels& k) {
  const int m = 24, n = 16, depth = 256;
  Buffer a(m * depth), c(m * n), weights(panel_elements(n, depth));
  const GemmArgs args{a.data(), weights.data(), c.data(), m, n, depth, depth, n, {}};
  return 2.0 * m * n * depth / time_of(k.gemm, args, 0.01);
}

std::string shape_text(const std::vector<int>& dims) {
  std::string text;
  for (int d : dims) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

struct Total {
  double seconds = 0, macs = 0;
};

void print_layer(const Layer& l, double seconds, double peak, Total& total) {
  total.seconds += seconds * l.count;
  total.macs += l.macs * l.count;
  const double flops = 2 * l.macs / seconds;
  std::printf("%-16s %2d %-9s %-15s %-14s %dx%d/%d %-10s %9.1f us", l.network.c_str(), l.count,
              l.op.c_str(), shape_text(l.in).c_str(), shape_text(l.out).c_str(), l.kernel[0],
              l.kernel[1], l.stride[0], l.then.c_str(), seconds * 1e6);
  if (l.macs > 0) std::printf(" %6.1f GFLOP/s %3.0f%%", flops * 1e-9, 100 * flops / peak);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = "bench/shapes.txt";
  std::string network;
  Isa isa = best_isa();
  double budget_s = 0.1;
  for (int i = 1; i < argc; ++i) {
    const bool value = i + 1 < argc;
    if (!std::strcmp(argv[i], "--network") && value) network = argv[++i];
    else if (!std::strcmp(argv[i], "--isa") && value) isa = isa_from_name(argv[++i]).value_or(isa);
    else if (!std::strcmp(argv[i], "--ms") && value) budget_s = std::atof(argv[++i]) * 1e-3;
    else if (argv[i][0] != '-') path = argv[i];
    else
      return std::fprintf(stderr,
                          "usage: kernel_bench [SHAPES] [--network NAME] [--isa NAME] "
                          "[--ms N]\n"),
             2;
  }
  const Kernels* kernels = kernels_for(isa);
  if (!kernels || !cpu_supports(isa)) {
    return std::fprintf(stderr, "kernel_bench: this CPU or build has no such instruction set\n"), 1;
  }
  std::map<std::string, Total> totals;
  double peak = 0;
  std::printf("instruction set %s\n", std::string(isa_name(isa)).c_str());
  for (const Layer& l : read_layers(path)) {
    if (!network.empty() && l.network != network) continue;
    const double seconds = time_layer(*kernels, l, budget_s);
    if (seconds == 0) continue;
    peak = peak_flops(*kernels);
    print_layer(l, seconds, peak, totals[l.network]);
  }
  for (const auto& [name, total] : totals) {
    const double flops = 2 * total.macs / total.seconds;
    std::printf("%-16s sum of layers %10.1f us %6.1f GFLOP/s %3.0f%% of %.1f\n", name.c_str(),
                total.seconds * 1e6, flops * 1e-9, 100 * flops / peak, peak * 1e-9);
  }
  return 0;
}
