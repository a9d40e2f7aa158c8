#pragma once

#include <cstdint>
#include <string>

namespace fovea::synth {

/// The text of a tokenizer.json with the size and the special tokens of the SmolVLM one (49,280 ids, 48,900
/// merges), whose merges are random.
std::string random_tokenizer_json(std::uint64_t seed);

}  // namespace fovea::synth
