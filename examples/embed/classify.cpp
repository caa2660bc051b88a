// Runs an image classifier on a grey image and prints the best class. Use: classify MODEL
#include <polder/model.h>

#include <algorithm>
#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: classify MODEL\n"), 2;
  auto model = polder::Model::open(argv[1], {.threads = 2});
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;

  const polder::Port& port = model->inputs()[0];
  std::vector<float> image(std::size_t(port.bounds.elements()), 0.5f);
  const polder::TensorView input{image.data(), polder::DataType::kF32, port.bounds};
  if (auto status = model->run({&input, 1}); !status)
    return std::fprintf(stderr, "%s\n", status.error().message.c_str()), 1;

  const polder::TensorView scores = model->output(0);
  const float* first = scores.as<float>();
  const float* best = std::max_element(first, first + scores.shape.elements());
  std::printf("class %td, score %g\n", best - first, double(*best));
}
