#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace fovea::kernels {

/// Runs every test once for each instruction set that this processor has.
class KernelsTest : public testing::TestWithParam<const Kernels*> {
 protected:
  std::vector<float> random(std::size_t size, float scale = 1.0F) {
    std::normal_distribution<float> normal(0.0F, scale);
    std::vector<float> values(size);
    for (float& value : values) value = normal(generator_);
    return values;
  }
  static std::vector<BFloat16> rounded(const std::vector<float>& values) {
    std::vector<BFloat16> result;
    for (const float value : values) result.push_back(tensor::to_bfloat16(value));
    return result;
  }
  std::size_t random_size(std::size_t least, std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(least, most)(generator_);
  }

  std::mt19937 generator_{20261122};
};

inline std::string isa_name(const testing::TestParamInfo<const Kernels*>& info) {
  return info.param->isa;
}

}  // namespace fovea::kernels
