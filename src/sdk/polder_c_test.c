/* The C interface as a C11 compiler sees it. */
#include "sdk/polder_c_test.h"

#include <polder/polder.h>

_Static_assert(POLDER_F32 == 1 && POLDER_BOOL == 13, "types are constants of C");
_Static_assert(sizeof(polder_tensor) == sizeof(void*) + 8 + 8 * POLDER_MAX_RANK ||
                   sizeof(void*) < 8,
               "no padding");

/* y = |x| - |x|^T for x [4,4]: the line of the first surprise, or 0. */
int difference_in_c(const char* plan_path) {
  polder_model* model = NULL;
  polder_options options = {.size = sizeof options, .threads = 2};
  polder_tensor input, port, result;
  const char* name = NULL;
  float x[16];
  int i;
  if (polder_open(plan_path, &options, &model) != 0) return __LINE__;
  if (polder_input_count(model) != 1 || polder_output_count(model) != 1) return __LINE__;
  if (polder_input(model, 0, &input, &name) != 0 || name == NULL) return __LINE__;
  if (input.type != POLDER_F32 || input.rank != 2 || input.data != NULL) return __LINE__;
  if (input.dims[0] != 4 || input.dims[1] != 4) return __LINE__;
  if (polder_output(model, 0, &port, NULL) != 0 || port.rank != 2) return __LINE__;
  for (i = 0; i < 16; ++i) x[i] = -(float)i;
  input.data = x;
  if (polder_run(model, &input, 1) != 0) return __LINE__;
  if (polder_result(model, 0, &result) != 0 || result.type != POLDER_F32) return __LINE__;
  for (i = 0; i < 16; ++i)
    if (((const float*)result.data)[i] != (float)(i - (i % 4 * 4 + i / 4))) return __LINE__;
  polder_close(model);
  return 0;
}
