/* Runs an image classifier on a grey image and prints the best class. Use: classify MODEL */
#include <polder/polder.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  polder_model* model;
  polder_tensor input, scores;
  size_t count = 1, best = 0;
  if (argc != 2 || polder_open(argv[1], NULL, &model) || polder_input_bounds(model, 0, &input))
    return fprintf(stderr, "usage: classify MODEL; %s\n", polder_last_error()), 1;

  for (int i = 0; i < input.rank; ++i) count *= (size_t)input.dims[i];
  float* image = malloc(count * sizeof *image);
  if (image == NULL) return fprintf(stderr, "no memory for the image\n"), 1;
  for (size_t i = 0; i < count; ++i) image[i] = 0.5f;
  input.data = image, input.type = POLDER_F32;
  if (polder_run(model, &input, 1) || polder_result(model, 0, &scores))
    return fprintf(stderr, "%s\n", polder_last_error()), 1;

  const float* score = scores.data;
  for (count = 1; scores.rank-- > 0;) count *= (size_t)scores.dims[scores.rank];
  for (size_t i = 1; i < count; ++i) best = score[i] > score[best] ? i : best;
  printf("class %zu, score %g\n", best, score[best]);
  free(image), polder_close(model);
}
