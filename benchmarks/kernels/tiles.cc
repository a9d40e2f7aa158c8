// What tile products reach by where their operands lie: compiled for AMX, called only where the processor has
// it.

#include "kernels/amx/tiles.h"

#include "measure.h"

namespace fovea::kernels {
namespace {

namespace tiles = amx;

constexpr std::size_t kTileSize = tiles::kTileRows * tiles::kTileBytes;
constexpr std::size_t kSteps = 24;  // of a panel of 32 outputs or rows: 48 KiB
constexpr double kOperations = 4.0 * 2 * 16 * 16 * 64;

/// `panels` of the weights meet the same panel of rows; how many steps of each, and how loaded.
struct Loop {
  const std::uint8_t* a;
  const std::uint8_t* b;
  std::size_t a_panels, b_panels, steps, a_stride;
  bool stream_a, load, store;
};

alignas(4096) thread_local std::int32_t stored[4 * 256];

template <int kTile>
void load_a(const Loop& loop, const std::uint8_t* from) {
#if !defined(FOVEA_EMULATE_ISA)
  if (loop.stream_a) return _tile_stream_loadd(kTile, from, loop.a_stride);
#endif
  tiles::load<kTile>(from, loop.a_stride);
}

/// 32 panels' products.
void run(const Loop& loop) {
  const tiles::TileUse use(tiles::TileShapes::full());
  for (std::size_t i = 0; i < 32; ++i) {
    const std::uint8_t* a = loop.a + i % loop.a_panels * 2 * tiles::kTileRows * loop.a_stride;
    const std::uint8_t* b = loop.b + i % loop.b_panels * 2 * kSteps * kTileSize;
    tiles::zero<0>();
    tiles::zero<1>();
    tiles::zero<2>();
    tiles::zero<3>();
    for (std::size_t step = 0; step < loop.steps; ++step, a += tiles::kTileBytes, b += kTileSize) {
      if (loop.load) tiles::load<6>(b, tiles::kTileBytes);
      if (loop.load) load_a<4>(loop, a);
      tiles::multiply_int8<0, 4, 6>();
      if (loop.load) tiles::load<7>(b + kSteps * kTileSize, tiles::kTileBytes);
      tiles::multiply_int8<1, 4, 7>();
      if (loop.load) load_a<5>(loop, a + tiles::kTileRows * loop.a_stride);
      tiles::multiply_int8<2, 5, 6>();
      tiles::multiply_int8<3, 5, 7>();
    }
    if (loop.store) {
      tiles::store<0>(stored, tiles::kTileBytes);
      tiles::store<1>(stored + 256, tiles::kTileBytes);
      tiles::store<2>(stored + 512, tiles::kTileBytes);
      tiles::store<3>(stored + 768, tiles::kTileBytes);
    }
  }
}

}  // namespace

std::vector<Candidate> tile_loops() {
  constexpr std::size_t kStride = (kSteps + 1) * tiles::kTileBytes;  // an odd number of lines
  constexpr std::size_t kPanels = 8;
  static const auto a = filled<std::uint8_t>(kPanels * 32 * kStride + 64, 130);
  static const auto b = filled<std::uint8_t>(kPanels * 2 * kSteps * kTileSize + 64, 3);
  std::vector<Candidate> candidates;
  const auto add = [&](const char* name, Loop loop) {
    candidates.push_back({name, kOperations * 32.0 * static_cast<double>(loop.steps), [loop] { run(loop); }});
  };
  const Loop whole{.a = a.data(),
                   .b = b.data(),
                   .a_panels = 1,
                   .b_panels = 1,
                   .steps = 8,
                   .a_stride = kStride,
                   .stream_a = false,
                   .load = true,
                   .store = false};
  Loop loop = whole;
  loop.load = false;
  add("registers", loop);
  add("first cache, 8 steps", loop = whole);
  loop.store = true;
  add("first cache, 8 steps, sums stored", loop);
  loop.steps = 3;
  add("first cache, 3 steps, sums stored", loop);
  loop = whole;
  loop.a += 16;
  loop.b += 16;
  add("first cache, 8 steps, all 16 bytes off a line", loop);
  loop = whole;
  loop.b += 16;
  add("first cache, 8 steps, weights 16 bytes off a line", loop);
  loop = whole;
  loop.a_panels = kPanels;
  loop.steps = 12;
  add("weights in the first cache, rows in the second", loop);
  loop.stream_a = true;
  add("weights in the first cache, rows in the second, streamed", loop);
  loop = whole;
  loop.a_panels = loop.b_panels = kPanels;
  loop.steps = kSteps;
  add("second cache", loop);
  loop.stream_a = true;
  add("second cache, rows streamed", loop);
  return candidates;
}

}  // namespace fovea::kernels
