#include "pipeline/tracking/assignment.h"

#include <limits>

#include "base/check.h"

namespace polder::pipeline {

// Works on a square of (rows + columns): each row may also take a column of its own at cost
// `limit`, so leaving it alone is never dearer than a bad pair.
std::vector<int> assign(std::span<const float> costs, int rows, int columns, float limit) {
  POLDER_CHECK(costs.size() == std::size_t(rows) * std::size_t(columns));
  const int width = columns + rows;
  const auto cost = [&](int row, int column) {
    if (column < columns)
      return costs[std::size_t(row) * std::size_t(columns) + std::size_t(column)];
    return column - columns == row ? limit : std::numeric_limits<float>::max() / 4;
  };
  // Potentials u of rows and v of columns; column 0 is a stand-in, real ones count from 1.
  std::vector<double> u(std::size_t(rows) + 1), v(std::size_t(width) + 1);
  std::vector<int> row_of(std::size_t(width) + 1), previous(std::size_t(width) + 1);
  for (int row = 1; row <= rows; ++row) {
    row_of[0] = row;
    std::size_t at = 0;
    std::vector<double> least(std::size_t(width) + 1, std::numeric_limits<double>::infinity());
    std::vector<bool> done(std::size_t(width) + 1);
    do {
      done[at] = true;
      const int current = row_of[at];
      double delta = std::numeric_limits<double>::infinity();
      std::size_t next = 0;
      for (std::size_t column = 1; column <= std::size_t(width); ++column) {
        if (done[column]) continue;
        const double reduced =
            cost(current - 1, int(column) - 1) - u[std::size_t(current)] - v[column];
        if (reduced < least[column]) {
          least[column] = reduced;
          previous[column] = int(at);
        }
        if (least[column] < delta) {
          delta = least[column];
          next = column;
        }
      }
      for (std::size_t column = 0; column <= std::size_t(width); ++column) {
        if (done[column]) {
          u[std::size_t(row_of[column])] += delta;
          v[column] -= delta;
        } else {
          least[column] -= delta;
        }
      }
      at = next;
    } while (row_of[at] != 0);
    while (at != 0) {
      row_of[at] = row_of[std::size_t(previous[at])];
      at = std::size_t(previous[at]);
    }
  }
  std::vector<int> column_of(std::size_t(rows), -1);
  for (int column = 1; column <= columns; ++column)
    if (row_of[std::size_t(column)] > 0)
      column_of[std::size_t(row_of[std::size_t(column)]) - 1] = column - 1;
  return column_of;
}

}  // namespace polder::pipeline
