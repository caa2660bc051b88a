#include "ops/samples.h"

namespace polder::ops {

std::vector<Sample> arithmetic_samples() {
  const SampleInput integers = {DataType::kI64, {5}, {}, false, -9, 9};
  return {{"same shape", {{.shape = {2, 3, 5}}, {.shape = {2, 3, 5}}}},
          {"scalar", {{.shape = {7, 9}}, {.shape = {}}}},
          {"last axis", {{.shape = {4, 17}}, {.shape = {17}}}},
          {"both broadcast", {{.shape = {3, 1, 5}}, {.shape = {1, 4, 1}}}, {}, {{3, 4, 5}}},
          {"i64", {integers, integers}}};
}

std::vector<Sample> comparison_samples() {
  return {
      {"f32", {{.shape = {3, 4}}, {.shape = {3, 4}}}},
      {"broadcast",
       {{DataType::kI32, {3, 4, 5}, {}, false, -2, 3}, {DataType::kI32, {4, 1}, {}, false, -2, 3}}},
      {"scalar", {{DataType::kI64, {9}, {}, false, -2, 3}, {DataType::kI64, {}, {1}}}}};
}

}  // namespace polder::ops
