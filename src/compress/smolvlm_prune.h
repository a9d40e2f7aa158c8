#pragma once

#include <filesystem>

#include "base/result.h"
#include "compress/prune.h"

namespace fovea::compress {

/// prune_checkpoint for the SmolVLM family, into the empty folder `destination`. Its groups are, layer by
/// layer, the neurons of the MLPs of vision tower and decoder, and the decoder's attention heads: a key/value
/// head goes together with the query heads that share it. Every layer keeps as many, as the configuration has
/// one count for all; neurons stay a multiple of 64 where they were one. The vision tower's heads stay: its
/// head size is what its hidden size and their number make.
///
/// How important a unit is: with pictures, the root mean square of what it puts into the product behind it
/// (`down_proj`, `fc2`, `o_proj`), times the length of that product's weights for it. Without: the product of
/// the lengths of its own weights (gate and up; `fc1`; values) and of that product's.
Result<PruneReport> prune_smolvlm(const std::filesystem::path& source,
                                  const std::filesystem::path& destination, const PruneOptions& options);

}  // namespace fovea::compress
