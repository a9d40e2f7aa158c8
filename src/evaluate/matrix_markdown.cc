#include <fmt/format.h>

#include "evaluate/matrix.h"
#include "evaluate/matrix_table.h"

namespace fovea::evaluate {
namespace {

std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
  return escaped;
}

std::string line(const std::vector<std::string>& cells) {
  std::string text = "|";
  for (const std::string& one : cells) text += " " + cell(one) + " |";
  return text + "\n";
}

std::string to_markdown(const Table& table) {
  std::string text = line(table.headings) + "|---|";
  for (std::size_t i = 1; i < table.headings.size(); ++i) text += "---:|";
  text += "\n";
  for (const auto& row : table.rows) text += line(row);
  return text;
}

}  // namespace

std::string to_markdown(const Matrix& matrix) {
  std::string text = fmt::format("# {}: models compared\n\n{}\n\n", matrix.task, summary_line(matrix));
  text += to_markdown(overview_table(matrix));
  for (const Skipped& one : matrix.skipped)
    text += fmt::format("\nNot measured: {}: {}\n", one.name, one.why);
  text += "\nAccuracy, part by part:\n\n" + to_markdown(parts_table(matrix));
  const auto pairs = matrix.pairs();
  if (!pairs.empty()) text += "\nOn the same pictures (paired, Newcombe 1998, method 10):\n\n";
  for (const PairedComparison& pair : pairs) {
    const auto [low, high] = pair.interval95();
    text += fmt::format("- {} less {}: {:+.1f} points ({:+.1f} to {:+.1f})\n", pair.a, pair.b,
                        100 * pair.difference(), 100 * low, 100 * high);
  }
  text += "\nHow it was measured:\n\n";
  for (const std::string& note : method_notes(matrix)) text += "- " + note + "\n";
  return text;
}

}  // namespace fovea::evaluate
