/* The C interface of libpolder. A whole program is examples/embed/classify.c.
 *
 * Functions return 0 for success or the code of the error (include/polder/error.h: 1 invalid ...
 * 10 timeout); polder_last_error() then says what happened. A pointer that must not be NULL and an
 * index that is not one are such errors. After an error a model can be used as before. A model
 * serves one thread at a time; different models are independent. Where memory ran out while a model
 * was opened, what that had taken may stay taken until the program ends. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POLDER_MAX_RANK 8

/* Element types. */
enum {
  POLDER_F32 = 1,
  POLDER_F16 = 2,
  POLDER_BF16 = 3,
  POLDER_F64 = 4,
  POLDER_I8 = 5,
  POLDER_U8 = 6,
  POLDER_I16 = 7,
  POLDER_U16 = 8,
  POLDER_I32 = 9,
  POLDER_U32 = 10,
  POLDER_I64 = 11,
  POLDER_U64 = 12,
  POLDER_BOOL = 13
};

/* A dense row-major tensor in the caller's or the model's memory. In the description of a port, a
 * free dimension is -1 and data is NULL. */
typedef struct polder_tensor {
  void* data;
  int32_t type;
  int32_t rank;
  int64_t dims[POLDER_MAX_RANK];
} polder_tensor;

typedef struct polder_model polder_model;

/* An input by name: its extents, -1 for what the model says, when its tensor has no data; the value
 * that it keeps, copied, when it has. */
typedef struct polder_named_input {
  const char* name;
  polder_tensor tensor;
} polder_named_input;

/* The largest extent of a free dimension, by its name in the model or as "input[axis]"; "input"
 * will do for one of rank 1. */
typedef struct polder_bound {
  const char* dimension;
  int64_t most;
} polder_bound;

/* How a model is opened. `polder_options options = {.size = sizeof options}` holds the defaults;
 * a plan is compiled already: `inputs` and `bounds` are refused for it. */
typedef struct polder_options {
  size_t size; /* sizeof(polder_options): later versions append members; 0 in them is the default */
  int32_t threads;        /* 1 to 256, the calling one included; 0: 1 */
  int32_t input_count;    /* of `inputs` */
  const char* target;     /* whose kernels run it, at least what a plan was compiled for: "generic",
                             "x86-64-v3", "x86-64-v4", "arm64"; NULL: the best here */
  int64_t max_iterations; /* of all loops of one run, which fails above; 0: 2^24 */
  const polder_named_input* inputs;
  const polder_bound* bounds;
  int32_t bound_count; /* of `bounds` */
} polder_options;

/* Opens a plan, ONNX or TFLite file; NULL for the default options. `*model` is released by
 * polder_close(); after an error it is NULL. */
int polder_open(const char* path, const polder_options* options, polder_model** model);
/* Does nothing for NULL. */
void polder_close(polder_model* model);

/* How many inputs and outputs the model has; -1 for NULL. */
int polder_input_count(const polder_model* model);
int polder_output_count(const polder_model* model);
/* Describe a port; `name` (may be NULL) gets a text that lives as long as the model. */
int polder_input(const polder_model* model, int index, polder_tensor* port, const char** name);
int polder_output(const polder_model* model, int index, polder_tensor* port, const char** name);
/* The same with free dimensions at their bounds: the largest tensor that there is memory for. */
int polder_input_bounds(const polder_model* model, int index, polder_tensor* port);
int polder_output_bounds(const polder_model* model, int index, polder_tensor* port);

/* Runs once. `inputs` are `count`, as many as the model has, in the order of the ports; their data
 * is dense, stays the caller's and is not changed. It must not be the data of a result of this
 * model: copy that. */
int polder_run(polder_model* model, const polder_tensor* inputs, int count);
/* Result `index` of the last run, with its actual shape; an error when that run failed and before
 * the first. The data is valid until the next run or close. */
int polder_result(const polder_model* model, int index, polder_tensor* result);

/* What the last error on this thread was; "" when there was none. Valid until the next error on
 * this thread. */
const char* polder_last_error(void);
/* "0.1.0" */
const char* polder_version(void);

#ifdef __cplusplus
}
#endif
