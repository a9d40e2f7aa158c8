// Every instruction set against the portable one, on shapes, values, strides and alignments that the input
// decides: integer products, conversions and Hadamard transforms to the bit, the rest within rounding.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "kernels/checks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fovea::kernels;
  static constexpr decltype(&fuzz::check_rows) kChecks[] = {
      fuzz::check_conversions, fuzz::check_rows,  fuzz::check_products,   fuzz::check_quantized,
      fuzz::check_attention,   fuzz::check_merge, fuzz::check_resampling, fuzz::check_attention_int8};
  static const std::vector<const Kernels*> all = supported_kernels();
  fuzz::Source source(data, size);
  kChecks[source.below(std::size(kChecks))](source, *all.front(), std::span(all).subspan(1));
  return 0;
}
