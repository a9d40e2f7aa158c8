#include "kernels/generic/peaks.h"

#include "kernels/amx/tiles.h"
#include "kernels/generic/peaks_zmm.h"

namespace fovea::kernels::amx {
namespace {

// Four tiles of sums, as in a block of a product.
constexpr double kTileProducts = 4.0 * kTileRows * kTileRows;

void run_int8(std::size_t rounds) {
  const TileUse use(TileShapes::full());
  for (std::size_t round = 0; round < rounds; ++round) {
    multiply_int8<0, 4, 6>();
    multiply_int8<1, 4, 7>();
    multiply_int8<2, 5, 6>();
    multiply_int8<3, 5, 7>();
  }
}

void run_bf16(std::size_t rounds) {
  const TileUse use(TileShapes::full());
  for (std::size_t round = 0; round < rounds; ++round) {
    multiply_bf16<0, 4, 6>();
    multiply_bf16<1, 4, 7>();
    multiply_bf16<2, 5, 6>();
    multiply_bf16<3, 5, 7>();
  }
}

struct Set {};

}  // namespace

PeakLoops peak_loops() {
  return {.f32 = generic::peak_loop<generic::F32Zmm<Set>>(),
          .bf16 = {.run = run_bf16, .operations = kTileProducts * kTileBytes},
          .int8 = {.run = run_int8, .operations = kTileProducts * 2 * kTileBytes},
          .read = generic::read_memory<Set>};
}

}  // namespace fovea::kernels::amx
