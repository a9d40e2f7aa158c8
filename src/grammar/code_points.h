#pragma once

#include <cstdint>
#include <vector>

namespace fovea::grammar {

/// A set of Unicode scalar values (surrogates are never in it) as ranges: sorted, disjoint, not touching.
class CodePointSet {
 public:
  struct Range {
    char32_t first;
    char32_t last;
    auto operator<=>(const Range&) const = default;
  };
  static constexpr char32_t kLast = 0x10FFFF;

  CodePointSet() = default;
  CodePointSet(std::initializer_list<Range> ranges);
  static CodePointSet all();

  void add(Range range);
  void add(const CodePointSet& other);
  [[nodiscard]] CodePointSet complement() const;
  [[nodiscard]] bool contains(char32_t value) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }

  auto operator<=>(const CodePointSet&) const = default;

 private:
  void normalize();
  std::vector<Range> ranges_;
};

/// A run of bytes, each in a range: UTF-8 of some code points.
using ByteRanges = std::vector<std::pair<unsigned char, unsigned char>>;

/// The set's UTF-8 as runs whose union it is; no two runs share a text.
std::vector<ByteRanges> utf8_ranges(const CodePointSet& set);

}  // namespace fovea::grammar
