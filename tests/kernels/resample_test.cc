#include "kernels/resample.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

namespace fovea::kernels {
namespace {

constexpr std::size_t kShorts = 2 * kResampleGroup;  // of a group

/// Groups of weights of which the first `count` count, some negative, with a sum near one.
std::vector<std::int16_t> random_weights(std::mt19937& random, std::size_t count, std::size_t groups) {
  std::vector<std::int16_t> packed(groups * kShorts);
  for (std::size_t tap = 0; tap < count; ++tap) {
    const int one = 1 << kResampleFractionBits;
    const int weight = static_cast<int>(random() % (2 * one / count)) - one / static_cast<int>(4 * count);
    std::int16_t* group = packed.data() + tap / kResampleGroup * kShorts + tap % kResampleGroup;
    group[0] = static_cast<std::int16_t>(weight >> kResampleLowerBits);
    group[kResampleGroup] = static_cast<std::int16_t>(weight & ((1 << kResampleLowerBits) - 1));
  }
  return packed;
}

std::vector<std::uint8_t> random_bytes(std::mt19937& random, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (auto& byte : bytes)
    byte = static_cast<std::uint8_t>(random() % 3 == 0 ? random() % 2 * 255 : random());
  return bytes;
}

class ResampleTest : public testing::TestWithParam<const Kernels*> {
 protected:
  const ResampleKernels portable_ = resample_kernels(*supported_kernels().front());
  const ResampleKernels kernels_ = resample_kernels(*GetParam());
  std::mt19937 random_{1};
};

TEST_P(ResampleTest, BlendsRowsLikeThePortableSet) {
  for (const std::size_t bytes : {1, 3, 17, 31, 32, 33, 63, 64, 65, 300}) {
    for (const std::size_t rows : {1, 2, 3, 6, 7, 18, 101}) {
      const std::size_t stride = bytes + 5;
      // Not a byte more than may be read, so that a sanitizer sees the others.
      const auto source = random_bytes(random_, (rows - 1) * stride + bytes);
      const auto weights = random_weights(random_, rows, (rows + kResampleGroup - 1) / kResampleGroup);
      std::vector<std::uint8_t> expected(bytes), found(bytes);
      BlendRows blend{.source = source.data(),
                      .stride = stride,
                      .rows = rows,
                      .weights = weights.data(),
                      .out = expected.data(),
                      .bytes = bytes};
      portable_.blend_rows(blend);
      blend.out = found.data();
      kernels_.blend_rows(blend);
      EXPECT_EQ(found, expected) << bytes << " bytes, " << rows << " rows";
    }
  }
}

TEST_P(ResampleTest, BlendsPixelsLikeThePortableSet) {
  for (const std::size_t source_width : {1, 3, 8, 17, 40}) {
    for (const std::size_t taps : {1, 2, 5, 7, 12}) {
      for (const std::size_t rows : {1, 3, 4, 5, 9}) {
        const std::size_t width = 23, groups = (taps + kResampleGroup - 1) / kResampleGroup;
        const std::size_t source_stride = 3 * source_width + 1, out_stride = 3 * width;
        const auto source = random_bytes(random_, (rows - 1) * source_stride + 3 * source_width);
        std::vector<std::int32_t> first;
        std::vector<std::int16_t> weights;
        for (std::size_t x = 0; x < width; ++x) {
          first.push_back(static_cast<std::int32_t>(random_() % source_width));
          const std::size_t inside = std::min(taps, source_width - static_cast<std::size_t>(first.back()));
          const auto some = random_weights(random_, inside, groups);
          weights.insert(weights.end(), some.begin(), some.end());
        }
        std::vector<std::uint8_t> expected(rows * out_stride), found(rows * out_stride);
        BlendPixels blend{.source = source.data(),
                          .source_stride = source_stride,
                          .source_width = source_width,
                          .first = first.data(),
                          .weights = weights.data(),
                          .groups = groups,
                          .out = expected.data(),
                          .out_stride = out_stride,
                          .width = width,
                          .rows = rows};
        portable_.blend_pixels(blend);
        blend.out = found.data();
        kernels_.blend_pixels(blend);
        EXPECT_EQ(found, expected) << source_width << " pixels, " << taps << " taps, " << rows << " rows";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EverySet, ResampleTest, testing::ValuesIn(supported_kernels()),
                         [](const auto& set) { return std::string(set.param->isa); });

}  // namespace
}  // namespace fovea::kernels
