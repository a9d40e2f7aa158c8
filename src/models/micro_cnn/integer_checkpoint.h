#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "models/micro_cnn/config.h"
#include "models/micro_cnn/integer_network.h"
#include "tensor/safetensors.h"

namespace fovea::models::micro_cnn {

// A quantised checkpoint holds, for every product NAME (`block1.0`, `block1.se.0`, `classifier.2`):
//   NAME.weight           I8 [outputs, …] channels last; int4: NAME.weight_int4, U8 [outputs, (fan_in + 1) /
//   2] NAME.bias             I32 [outputs] NAME.multiplier       I32 [outputs], NAME.shift U8 [outputs]
//   NAME.weight_scale     F32 [outputs], for people
// and for every layer with weights NAME.output_scale, F32 [1], for people; for a squeeze-and-excite also
// NAME.gate_multiplier, I32 [1], and NAME.gate_shift, U8 [1].

/// Two a byte, the first in the low half, in two's complement; an odd row's last half is zero.
std::vector<std::uint8_t> pack_int4(std::span<const std::int8_t> weights, std::size_t outputs,
                                    std::size_t fan_in);

/// Reads the integers of a quantised checkpoint. Errors (kInvalidModel): a tensor that is missing, has
/// another type or shape than the configuration says, or a number outside its range.
Result<IntegerNetwork> load_integers(const tensor::SafeTensors& checkpoint, const Config& config,
                                     const std::string& where);

/// Writes `model.safetensors`. Errors: kIo.
Result<void> write_integers(const std::filesystem::path& path, const IntegerNetwork& network,
                            WeightType weights);

}  // namespace fovea::models::micro_cnn
