#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evaluate/confusion.h"
#include "evaluate/reliability.h"
#include "evaluate/units.h"

namespace fovea::evaluate {

/// Text as it stands in HTML, in attributes too.
std::string escaped(std::string_view text);

/// One variant in a scatter chart.
struct ChartPoint {
  std::string label;
  std::size_t series = 0;  ///< decides its colour: class "s0" to "s7" of the page's style
  std::size_t shape = 0;   ///< 0 circle, 1 square, 2 triangle, 3 diamond
  double x = 0;            ///< above zero: the axis is logarithmic
  double share = 0;        ///< 0 to 1
  std::array<double, 2> interval95{0, 1};
};

// Each is an <svg> element whose colours are classes and variables of the page that holds it.

/// Accuracy against a quantity, with error bars.
std::string scatter_chart(const std::vector<ChartPoint>& points, const std::string& x_title,
                          Dimension x_dimension);
/// How often answers of a confidence are right: a bar a bin, the diagonal, a dot at the bin's mean
/// confidence.
std::string reliability_chart(const Reliability& reliability);
/// Counts, shaded by their share of the row: the truth in rows, the answer in columns.
std::string confusion_chart(const Confusion& confusion);

}  // namespace fovea::evaluate
