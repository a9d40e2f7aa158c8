// What changes the form of numbers, to the bit: bfloat16, int8, and the Hadamard transform in front of it.

#include "checks.h"

namespace fovea::kernels::fuzz {
namespace {

void check_bf16(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t n = source.size(200);
  Array<float> even(source, n), odd(source, n);
  const bool any = source.one_of(2);
  for (float& value : even) value = any ? source.any() : source.value(kMost);
  for (float& value : odd) value = any ? source.any() : source.value(kMost);
  Array<BFloat16> narrow(source, n), pairs(source, 2 * n), found(source, n), found_pairs(source, 2 * n);
  portable.to_bf16(even.data(), narrow.data(), n);
  portable.interleave_bf16(even.data(), odd.data(), pairs.data(), n);
  for (const Kernels* kernels : sets) {
    kernels->to_bf16(even.data(), found.data(), n);
    require(same(found, narrow), *kernels, "to_bf16");
    kernels->interleave_bf16(even.data(), odd.data(), found_pairs.data(), n);
    require(same(found_pairs, pairs), *kernels, "interleave_bf16");
  }
}

void check_widening(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t n = 2 * kPackedColumns * source.size(20);
  Array<std::int8_t> x(source, n);
  for (std::int8_t& value : x) value = static_cast<std::int8_t>(source.byte());
  Array<BFloat16> wide(source, n), found(source, n);
  portable.widen_int8(x.data(), wide.data(), n);
  for (const Kernels* kernels : sets) {
    kernels->widen_int8(x.data(), found.data(), n);
    require(same(found, wide), *kernels, "widen_int8");
  }
}

void check_hadamard(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t block = std::size_t{1} << source.below(8), n = block * source.size(1 + 300 / block);
  Array<float> x = values(source, n, source.one_of(4) ? kMost : 1e30F);
  Array<float> transformed(source, n), found(source, n);
  transformed.copy(x);
  portable.hadamard(transformed.data(), n, block);
  for (const Kernels* kernels : sets) {
    found.copy(x);
    kernels->hadamard(found.data(), n, block);
    require(same(found, transformed), *kernels, "hadamard");
  }
}

/// A row to be quantised: also one whose integers lie halfway, or for which no scale is small or large
/// enough.
Array<float> row_to_quantize(Source& source, std::size_t n) {
  static constexpr float kLargest[] = {4, 127.5F, 1e30F, 3e38F, kMost, 1e-30F, kSubnormal};
  const std::size_t choice = source.below(std::size(kLargest) + 2);
  if (choice >= std::size(kLargest)) {
    Array<float> x(source, n);
    for (float& value : x) value = static_cast<float>(source.byte() % 254 - 126) / 2;  // scale 1 below
    x[source.below(n)] = choice % 2 == 0 ? 127.0F : -127.0F;
    return x;
  }
  Array<float> x = values(source, n, std::max(4.0F, kLargest[choice]));
  if (kLargest[choice] < 1) {
    for (float& value : x) value *= kLargest[choice];
  }
  return x;
}

/// quantize_row's bytes are compared without the offset that some sets add: any offset is that of a zero.
void check_quantizing(Source& source, const Kernels& portable, Sets sets) {
  const std::size_t n = source.size(300), more = source.below(3);
  const auto round_up = [&](std::size_t unit) { return ((n + unit - 1) / unit + more) * unit; };
  const std::size_t padded = round_up(kPackedDepth), padded_signed = round_up(kPackedColumns);
  Array<float> x = row_to_quantize(source, n);
  // Integers mean nothing then: it is the scale that makes everything infinite.
  const bool infinite = source.one_of(16);
  if (infinite) x[source.below(n)] = std::numeric_limits<float>::infinity();

  Array<std::uint8_t> bytes(source, padded), zeros(source, padded), found(source, padded);
  Array<std::int8_t> kept(source, padded_signed), found_kept(source, padded_signed);
  const float scale = portable.quantize_row(x.data(), n, padded, bytes.data());
  require(same(portable.quantize_row_signed(x.data(), n, padded_signed, kept.data()), scale), portable,
          "quantize_row_signed's scale");
  const float zero = 0;
  for (const Kernels* kernels : sets) {
    require(same(kernels->quantize_row(x.data(), n, padded, found.data()), scale), *kernels,
            "quantize_row's scale");
    require(same(kernels->quantize_row_signed(x.data(), n, padded_signed, found_kept.data()), scale),
            *kernels, "quantize_row_signed's scale");
    if (infinite) continue;
    kernels->quantize_row(&zero, 1, padded, zeros.data());
    for (std::size_t i = 0; i < padded; ++i) found[i] = static_cast<std::uint8_t>(found[i] - zeros[i]);
    require(same(found, bytes), *kernels, "quantize_row");
    require(same(found_kept, kept), *kernels, "quantize_row_signed");
  }
}

}  // namespace

void check_conversions(Source& source, const Kernels& portable, Sets sets) {
  static constexpr decltype(&check_bf16) kChecks[] = {check_bf16, check_widening, check_hadamard,
                                                      check_quantizing};
  kChecks[source.below(std::size(kChecks))](source, portable, sets);
}

}  // namespace fovea::kernels::fuzz
