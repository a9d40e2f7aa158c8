#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "support/golden.h"
#include "tensor/safetensors.h"

namespace fovea::test {

/// The reference networks of the micro CNN family.
inline std::filesystem::path micro_cnn_folder(const std::string& name) {
  return golden_folder("micro-cnn") / name;
}

/// Prepared pictures [48, 48, 3] that are neither flat nor noise: a few soft blobs of colour and some grain,
/// drawn from a seed.
inline std::vector<std::vector<std::uint8_t>> seeded_pictures(std::size_t count, std::uint32_t seed = 1) {
  constexpr int kSize = 48;
  std::mt19937 random(seed);
  const auto below = [&](std::uint32_t most) { return static_cast<int>(random() % most); };
  std::vector<std::vector<std::uint8_t>> pictures;
  for (std::size_t n = 0; n < count; ++n) {
    std::vector<int> values(kSize * kSize * 3);
    for (int c = 0; c < 3; ++c) {
      const int base = below(256);
      for (int i = 0; i < kSize * kSize; ++i) values[i * 3 + c] = base;
    }
    for (int blob = 0; blob < 4; ++blob) {
      const int x = below(kSize);
      const int y = below(kSize);
      const int reach = 3 + below(20);
      const int colour[3] = {below(400) - 200, below(400) - 200, below(400) - 200};
      for (int i = 0; i < kSize * kSize; ++i) {
        const int distance = (i % kSize - x) * (i % kSize - x) + (i / kSize - y) * (i / kSize - y);
        if (distance >= reach * reach) continue;
        for (int c = 0; c < 3; ++c)
          values[i * 3 + c] += colour[c] * (reach * reach - distance) / (reach * reach);
      }
    }
    std::vector<std::uint8_t>& picture = pictures.emplace_back();
    for (const int value : values) {
      picture.push_back(static_cast<std::uint8_t>(std::clamp(value + below(17) - 8, 0, 255)));
    }
  }
  return pictures;
}

}  // namespace fovea::test
