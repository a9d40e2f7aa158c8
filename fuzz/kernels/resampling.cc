// Weighted sums of pixels, to the bit.

#include "checks.h"
#include "kernels/resample.h"

namespace fovea::kernels::fuzz {
namespace {

constexpr std::size_t kShorts = 2 * kResampleGroup;  // of a group

/// Groups of weights of which the first `count` count. Their magnitudes sum to about two at most, as those of
/// resizing do: a sum of pixels stays within 32 bits.
void fill_weights(Source& source, std::int16_t* groups, std::size_t count) {
  const auto one = std::int32_t{1} << kResampleFractionBits;
  for (std::size_t tap = 0; tap < count; ++tap) {
    const auto steps = static_cast<std::int32_t>(source.below(65'536)) - 32'768;
    const auto most = 2 * one / static_cast<std::int32_t>(count);
    const auto weight = static_cast<std::int32_t>(std::int64_t{most} * steps / 32'768);
    std::int16_t* group = groups + tap / kResampleGroup * kShorts + tap % kResampleGroup;
    group[0] = static_cast<std::int16_t>(weight >> kResampleLowerBits);
    group[kResampleGroup] = static_cast<std::int16_t>(weight & ((1 << kResampleLowerBits) - 1));
  }
}

Array<std::uint8_t> pixels(Source& source, std::size_t size) {
  Array<std::uint8_t> bytes(source, size);
  const bool ends = source.one_of(4);
  for (std::uint8_t& value : bytes) {
    value = source.byte();
    if (ends) value = value < 128 ? 0 : 255;
  }
  return bytes;
}

void check_rows_of_pixels(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t bytes = source.size(200), rows = source.size(40), stride = bytes + source.below(7);
  Array<std::uint8_t> image = pixels(source, (rows - 1) * stride + bytes);
  Array<std::int16_t> weights(source, (rows + kResampleGroup - 1) / kResampleGroup * kShorts);
  fill_weights(source, weights.data(), rows);
  Array<std::uint8_t> wanted(source, bytes), found(source, bytes);
  BlendRows blend{.source = image.data(),
                  .stride = stride,
                  .rows = rows,
                  .weights = weights.data(),
                  .out = wanted.data(),
                  .bytes = bytes};
  resample_kernels(portable).blend_rows(blend);
  blend.out = found.data();
  for (const Kernels* kernels : sets) {
    found.fill(0);
    resample_kernels(*kernels).blend_rows(blend);
    require(same(found, wanted), *kernels, "blend_rows");
  }
}

void check_pixels(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t source_width = source.size(64), width = source.size(40), rows = source.size(20);
  const std::size_t taps = source.size(20), groups = (taps + kResampleGroup - 1) / kResampleGroup;
  const std::size_t source_stride = 3 * source_width + source.below(7), stride = 3 * width + source.below(7);
  Array<std::uint8_t> image = pixels(source, (rows - 1) * source_stride + 3 * source_width);
  Array<std::int32_t> first(source, width);
  Array<std::int16_t> weights(source, width * groups * kShorts);
  for (std::size_t x = 0; x < width; ++x) {
    const std::size_t pixel = source.below(source_width);
    first[x] = static_cast<std::int32_t>(pixel);
    fill_weights(source, weights.data() + x * groups * kShorts, std::min(taps, source_width - pixel));
  }
  Array<std::uint8_t> wanted(source, (rows - 1) * stride + 3 * width), found(source, wanted.size());
  BlendPixels blend{.source = image.data(),
                    .source_stride = source_stride,
                    .source_width = source_width,
                    .first = first.data(),
                    .weights = weights.data(),
                    .groups = groups,
                    .out = wanted.data(),
                    .out_stride = stride,
                    .width = width,
                    .rows = rows};
  resample_kernels(portable).blend_pixels(blend);
  blend.out = found.data();
  for (const Kernels* kernels : sets) {
    found.fill(0);
    resample_kernels(*kernels).blend_pixels(blend);
    require(same(found, wanted), *kernels, "blend_pixels");
  }
}

}  // namespace

void check_resampling(Source& source, const Kernels& portable, Sets sets) {
  (source.one_of(2) ? check_rows_of_pixels : check_pixels)(source, portable, sets);
}

}  // namespace fovea::kernels::fuzz
