/* The part of the C interface's test that is C. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the plan of y = |x| - |x|^T at `plan_path`; the line of the first surprise, or 0. */
int difference_in_c(const char* plan_path);

#ifdef __cplusplus
}
#endif
