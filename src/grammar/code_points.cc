#include "grammar/code_points.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "text/unicode.h"

namespace fovea::grammar {
namespace {

constexpr char32_t kFirstSurrogate = 0xD800;
constexpr char32_t kLastSurrogate = 0xDFFF;

/// The largest code points of one, two and three bytes.
constexpr char32_t kLengthBounds[] = {0x7F, 0x7FF, 0xFFFF};

/// Cuts a range until its first and last code point have the same length and every byte after the first that
/// differs runs through all of its values; then the bytes' ranges multiply to exactly the range.
void split(char32_t first, char32_t last, std::vector<ByteRanges>& out) {
  for (const char32_t bound : kLengthBounds) {
    if (first <= bound && bound < last) {
      split(first, bound, out);
      split(bound + 1, last, out);
      return;
    }
  }
  if (last > kLengthBounds[0]) {
    for (int bits = 6; bits <= 18; bits += 6) {
      const char32_t low = (char32_t{1} << bits) - 1;
      if ((first & ~low) == (last & ~low)) continue;
      if ((first & low) != 0) {
        split(first, first | low, out);
        split((first | low) + 1, last, out);
        return;
      }
      if ((last & low) != low) {
        split(first, (last & ~low) - 1, out);
        split(last & ~low, last, out);
        return;
      }
    }
  }
  std::string low;
  std::string high;
  text::append_utf8(first, low);
  text::append_utf8(last, high);
  ByteRanges bytes;
  for (std::size_t i = 0; i < low.size(); ++i) {
    bytes.emplace_back(static_cast<unsigned char>(low[i]), static_cast<unsigned char>(high[i]));
  }
  out.push_back(std::move(bytes));
}

}  // namespace

CodePointSet::CodePointSet(std::initializer_list<Range> ranges) : ranges_(ranges) {
  normalize();
}

CodePointSet CodePointSet::all() {
  return {{0, kLast}};
}

void CodePointSet::add(Range range) {
  // Ranges mostly come in order; sorting for each would be quadratic.
  const bool clear_of_surrogates = range.last < kFirstSurrogate || range.first > kLastSurrogate;
  const bool behind_all = ranges_.empty() || range.first > ranges_.back().last;
  if (clear_of_surrogates && behind_all) {
    if (!ranges_.empty() && range.first == ranges_.back().last + 1) {
      ranges_.back().last = range.last;
    } else {
      ranges_.push_back(range);
    }
    return;
  }
  ranges_.push_back(range);
  normalize();
}

void CodePointSet::add(const CodePointSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  normalize();
}

void CodePointSet::normalize() {
  std::vector<Range> parts;
  for (const Range& range : ranges_) {
    if (range.first < kFirstSurrogate) {
      parts.push_back({range.first, std::min(range.last, char32_t{kFirstSurrogate - 1})});
    }
    if (range.last > kLastSurrogate) {
      parts.push_back({std::max(range.first, char32_t{kLastSurrogate + 1}), range.last});
    }
  }
  std::ranges::sort(parts);
  ranges_.clear();
  for (const Range& part : parts) {
    if (!ranges_.empty() && part.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, part.last);
    } else {
      ranges_.push_back(part);
    }
  }
}

CodePointSet CodePointSet::complement() const {
  CodePointSet result;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) result.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLast) result.ranges_.push_back({next, kLast});
  result.normalize();
  return result;
}

bool CodePointSet::contains(char32_t value) const {
  const auto after = std::ranges::upper_bound(ranges_, value, {}, &Range::first);
  return after != ranges_.begin() && value <= std::prev(after)->last;
}

std::vector<ByteRanges> utf8_ranges(const CodePointSet& set) {
  std::vector<ByteRanges> runs;
  for (const CodePointSet::Range& range : set.ranges()) split(range.first, range.last, runs);
  return runs;
}

}  // namespace fovea::grammar
