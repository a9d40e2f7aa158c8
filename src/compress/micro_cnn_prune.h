#pragma once

#include <filesystem>

#include "base/result.h"
#include "compress/prune.h"

namespace fovea::compress {

/// prune_checkpoint for the micro CNN in `source`, into the empty folder `destination`. Its groups are the
/// channels that one product gives and a later one takes together.
///
/// How important a channel is: with pictures, the standard deviation of what it puts into the product that
/// mixes it with others, times the length of that product's weights for it: the root mean square of what goes
/// missing, once the mean is made up for. It is made up for in that product's batch norm or bias, and the
/// weights of the channels that stay are fitted anew to what the product gave (least squares; after He et al.
/// 2017, "Channel Pruning"). Without pictures: the L1 norm of the channel's own weights, batch norm folded
/// in, times the same length; nothing is made up for.
Result<PruneReport> prune_micro_cnn(const std::filesystem::path& source,
                                    const std::filesystem::path& destination, const PruneOptions& options);

}  // namespace fovea::compress
