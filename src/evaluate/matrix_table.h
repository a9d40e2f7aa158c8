#pragma once

#include <string>
#include <vector>

#include "evaluate/matrix.h"

namespace fovea::evaluate {

/// A table as its cells, for whoever writes it down.
struct Table {
  std::vector<std::string> headings;  ///< the first column holds the variants' names
  std::vector<std::string> meanings;  ///< of each heading, a sentence
  std::vector<std::vector<std::string>> rows;
};

/// Everything that was measured, a row a variant.
Table overview_table(const Matrix& matrix);
/// Accuracy of each field, and of each class of a labels task, with its interval; a row a field or class.
Table parts_table(const Matrix& matrix);

/// What was measured on what, and how: a sentence each.
std::vector<std::string> method_notes(const Matrix& matrix);
/// "12 pictures of the task pizza, …".
std::string summary_line(const Matrix& matrix);

}  // namespace fovea::evaluate
