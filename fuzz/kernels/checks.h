#pragma once

// What kernels_fuzz consists of: numbers and memory that the input decides, and one check for each group of
// functions of the dispatch table, which compares every set with the portable one.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <span>

#include "kernels/kernels.h"

namespace fovea::kernels::fuzz {

inline constexpr float kMost = std::numeric_limits<float>::max();
inline constexpr float kSubnormal = 1e-40F;
/// What one operation on floats may be off by, as a fraction of its result.
inline constexpr double kRounding = 0x1p-24;

/// Bytes of the input, then a sequence that they began.
class Source {
 public:
  Source(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::uint8_t byte() {
    if (at_ == size_) return static_cast<std::uint8_t>(next() >> 24);
    state_ += data_[at_];
    next();
    return data_[at_++];
  }
  std::size_t below(std::size_t end) {
    std::size_t bits = byte();
    if (end > 256) bits = bits << 8 | byte();
    return bits % end;
  }
  bool one_of(std::size_t end) { return below(end) == 0; }
  /// 1 to `most`: as often a size about that of a register, a tile or a block as any other.
  std::size_t size(std::size_t most) {
    static constexpr std::size_t kEdges[] = {1,  2,  3,  4,  5,  7,  8,  9,  12, 15,  16,
                                             17, 31, 32, 33, 47, 48, 63, 64, 65, 127, 129};
    const std::size_t choice = byte();
    const std::size_t edge = kEdges[choice / 2 % std::size(kEdges)];
    return choice % 2 == 0 && edge <= most ? edge : 1 + below(most);
  }

  /// Any float: infinite, NaN and subnormal ones too.
  float any() { return std::bit_cast<float>(word()); }
  /// Up to 4, at times zero, tiny, `largest` (at least 4), or halfway between whole numbers; always finite.
  float value(float largest, float tiny = kSubnormal) {
    const std::uint32_t bits = word();
    const float small = moderate(bits);
    switch (bits >> 27) {
      case 0:
        return std::copysign(0.0F, small);
      case 1:
        return std::copysign(largest, small);
      case 2:
        return small / 4 * largest;
      case 3:
        return small * tiny;
      case 4:
        return std::copysign(std::min(largest, 127.5F), small);
      default:
        return small;
    }
  }

 private:
  std::uint32_t next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::uint32_t>(state_ >> 32);
  }
  std::uint32_t word() {
    if (at_ == size_) return next();
    std::uint32_t result = 0;
    for (int i = 0; i < 4; ++i) result = result << 8 | byte();
    return result;
  }
  static float moderate(std::uint32_t bits) { return (static_cast<float>(bits & 0xFFFFU) - 32767.5F) / 8192; }

  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
  std::uint64_t state_ = 1;
};

/// An array that ends where its memory ends, so that a sanitizer sees every access past it; the input decides
/// its address, which is a multiple of no more than its elements need. What stands before it must stay.
template <class Element>
class Array {
 public:
  Array(Source& source, std::size_t size)
      : margin_(source.below(64 / sizeof(Element))),
        size_(size),
        memory_(std::make_unique<Element[]>(margin_ + size)) {
    std::memset(memory_.get(), kMargin, margin_ * sizeof(Element));
  }
  Array(Array&&) = default;
  ~Array() {
    if (memory_ == nullptr) return;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(memory_.get());
    if (std::all_of(bytes, bytes + margin_ * sizeof(Element), [](auto byte) { return byte == kMargin; }))
      return;
    std::fprintf(stderr, "something was written before an array\n");
    std::abort();
  }

  Element* data() { return memory_.get() + margin_; }
  Element* begin() { return data(); }
  Element* end() { return data() + size_; }
  Element& operator[](std::size_t i) { return data()[i]; }
  std::size_t size() const { return size_; }
  void fill(Element value) { std::fill(begin(), end(), value); }
  void copy(Array& other) { std::copy(other.begin(), other.end(), begin()); }

 private:
  static constexpr std::uint8_t kMargin = 0xA5;
  std::size_t margin_, size_;
  std::unique_ptr<Element[]> memory_;
};

/// A new array of values: a mixture, or now and then nothing but the ends of the range.
inline Array<float> values(Source& source, std::size_t size, float largest, float tiny = kSubnormal) {
  Array<float> array(source, size);
  const bool ends = source.one_of(8);
  for (float& value : array) {
    value = source.value(largest, tiny);
    if (ends && std::abs(value) > tiny) value = std::copysign(largest, value);
  }
  return array;
}

inline void require(bool condition, const Kernels& kernels, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s of %s is not as it should be\n", what, kernels.isa);
  std::abort();
}

/// The same bits. A NaN has a sign and a payload of its own, and is only asked to be one.
inline bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}
inline bool same(BFloat16 a, BFloat16 b) {
  return a.bits == b.bits;
}
template <class Integer>
bool same(Integer a, Integer b) {
  return a == b;
}
template <class Element>
bool same(Array<Element>& a, Array<Element>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto x, auto y) { return same(x, y); });
}

/// Finite numbers may differ by the tolerance, no others.
inline bool near(float a, float b, double tolerance) {
  if (!std::isfinite(a) || !std::isfinite(b)) return a == b || (std::isnan(a) && std::isnan(b));
  return std::abs(double{a} - b) <= tolerance;
}

using Sets = std::span<const Kernels* const>;

// Each takes the portable set and the others.
void check_conversions(Source& source, const Kernels& portable, Sets sets);
void check_rows(Source& source, const Kernels& portable, Sets sets);
void check_products(Source& source, const Kernels& portable, Sets sets);
void check_quantized(Source& source, const Kernels& portable, Sets sets);
void check_attention(Source& source, const Kernels& portable, Sets sets);
void check_attention_int8(Source& source, const Kernels& portable, Sets sets);
void check_merge(Source& source, const Kernels& portable, Sets sets);
void check_resampling(Source& source, const Kernels& portable, Sets sets);

}  // namespace fovea::kernels::fuzz
