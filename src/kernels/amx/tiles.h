#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

// Tile registers: eight of 16 rows of 64 bytes. Two products of tiles exist, C += A B, with B in the order of
// packed weights (kernels.h): a tile of B is 16 steps of one block.
namespace fovea::kernels::amx {

inline constexpr std::size_t kTiles = 8;
inline constexpr std::size_t kTileRows = 16;
inline constexpr std::size_t kTileBytes = 64;  ///< of a row

/// What LDTILECFG reads.
struct TileShapes {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  constexpr void set(std::size_t tile, std::size_t tile_rows, std::size_t bytes) {
    rows[tile] = static_cast<std::uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<std::uint16_t>(bytes);
  }
  static constexpr TileShapes full() {
    TileShapes shapes;
    for (std::size_t i = 0; i < kTiles; ++i) shapes.set(i, kTileRows, kTileBytes);
    return shapes;
  }
};
static_assert(sizeof(TileShapes) == 64);

#if !defined(FOVEA_EMULATE_ISA)

inline void configure(const TileShapes& shapes) {
  _tile_loadconfig(&shapes);
}
inline void release() {
  _tile_release();
}
template <int kTile>
inline void zero() {
  _tile_zero(kTile);
}
template <int kTile>
inline void load(const void* from, std::size_t stride) {
  _tile_loadd(kTile, from, stride);
}
template <int kTile>
inline void store(void* to, std::size_t stride) {
  _tile_stored(kTile, to, stride);
}
/// Unsigned bytes of A times signed bytes of B, added to int32.
template <int kC, int kA, int kB>
inline void multiply_int8() {
  _tile_dpbusd(kC, kA, kB);
}
/// Pairs of bfloat16, added to float.
template <int kC, int kA, int kB>
inline void multiply_bf16() {
  _tile_dpbf16ps(kC, kA, kB);
}

#else

// The same in plain C++, for tests on processors without tiles. Sums of bfloat16 follow the order of Intel's
// description (even and odd k apart); what it says about subnormal numbers is left out.
struct TileState {
  TileShapes shapes;
  std::uint8_t bytes[kTiles][kTileRows][kTileBytes];
};
inline thread_local TileState state;

inline void configure(const TileShapes& shapes) {
  state.shapes = shapes;
  std::memset(state.bytes, 0, sizeof state.bytes);
}
inline void release() {
  state.shapes = {};
}
template <int kTile>
inline void zero() {
  std::memset(state.bytes[kTile], 0, sizeof state.bytes[kTile]);
}
template <int kTile>
inline void load(const void* from, std::size_t stride) {
  zero<kTile>();
  for (std::size_t i = 0; i < state.shapes.rows[kTile]; ++i) {
    std::memcpy(state.bytes[kTile][i], static_cast<const std::uint8_t*>(from) + i * stride,
                state.shapes.row_bytes[kTile]);
  }
}
template <int kTile>
inline void store(void* to, std::size_t stride) {
  for (std::size_t i = 0; i < state.shapes.rows[kTile]; ++i) {
    std::memcpy(static_cast<std::uint8_t*>(to) + i * stride, state.bytes[kTile][i],
                state.shapes.row_bytes[kTile]);
  }
}
template <int kC, int kA, int kB>
inline void multiply_int8() {
  for (std::size_t m = 0; m < state.shapes.rows[kC]; ++m) {
    std::int32_t sums[16];
    std::memcpy(sums, state.bytes[kC][m], sizeof sums);
    for (std::size_t k = 0; k < state.shapes.row_bytes[kA]; ++k) {
      for (std::size_t n = 0; n < 16; ++n) {
        sums[n] += state.bytes[kA][m][k] * static_cast<std::int8_t>(state.bytes[kB][k / 4][4 * n + k % 4]);
      }
    }
    std::memcpy(state.bytes[kC][m], sums, sizeof sums);
  }
}
template <int kC, int kA, int kB>
inline void multiply_bf16() {
  const auto widened = [](const std::uint8_t* p) {
    std::uint16_t half;
    std::memcpy(&half, p, sizeof half);
    const std::uint32_t bits = std::uint32_t{half} << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  };
  for (std::size_t m = 0; m < state.shapes.rows[kC]; ++m) {
    float sums[16];
    std::memcpy(sums, state.bytes[kC][m], sizeof sums);
    for (std::size_t n = 0; n < state.shapes.row_bytes[kC] / 4; ++n) {
      float even = 0, odd = 0;
      for (std::size_t k = 0; k < state.shapes.row_bytes[kA]; k += 4) {
        const std::uint8_t* b = &state.bytes[kB][k / 4][4 * n];
        even += widened(&state.bytes[kA][m][k]) * widened(b);
        odd += widened(&state.bytes[kA][m][k + 2]) * widened(b + 2);
      }
      sums[n] += even + odd;
    }
    std::memcpy(state.bytes[kC][m], sums, sizeof sums);
  }
}

#endif

/// The calling thread's tiles, of the shapes given, until this goes: tiles in use make every switch of
/// threads save and restore 8 KiB.
class TileUse {
 public:
  explicit TileUse(const TileShapes& shapes) { configure(shapes); }
  ~TileUse() { release(); }
  TileUse(const TileUse&) = delete;
  TileUse& operator=(const TileUse&) = delete;
};

}  // namespace fovea::kernels::amx
