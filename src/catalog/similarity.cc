#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "text/unicode.h"

namespace fovea::catalog {
namespace {

constexpr std::size_t kMaxLength = 256;

std::u32string code_points(std::string_view text) {
  std::u32string result;
  while (!text.empty() && result.size() < kMaxLength) {
    const text::CodePoint next = text::first_code_point(text);
    result += next.value;
    text.remove_prefix(next.length);
  }
  return result;
}

}  // namespace

// Optimal string alignment: Levenshtein's distance with swapped neighbours as one step.
double similarity(std::string_view a, std::string_view b) {
  if (a == b) return 1;
  const std::u32string first = code_points(a);
  const std::u32string second = code_points(b);
  const std::size_t longest = std::max(first.size(), second.size());
  if (longest == 0) return 1;
  std::vector<std::size_t> before_last;
  std::vector<std::size_t> last(second.size() + 1);
  std::vector<std::size_t> row(second.size() + 1);
  for (std::size_t j = 0; j <= second.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= first.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= second.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (first[i - 1] == second[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && first[i - 1] == second[j - 2] && first[i - 2] == second[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = last;
    last = row;
  }
  return 1 - static_cast<double>(last[second.size()]) / static_cast<double>(longest);
}

}  // namespace fovea::catalog
