// The assignment of rows to columns with the least total cost.
#pragma once

#include <span>
#include <vector>

namespace polder::pipeline {

// Hungarian method by shortest augmenting paths (Jonker and Volgenant 1987), O(rows² · columns).
// `costs` holds rows × columns, row by row, all finite. Pairs that cost more than `limit` are not
// made. Returns the column of each row, or -1. The same costs give the same result.
std::vector<int> assign(std::span<const float> costs, int rows, int columns, float limit);

}  // namespace polder::pipeline
