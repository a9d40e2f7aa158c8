#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace fovea::synth {

struct CheckpointOptions {
  std::string preset;     ///< one of checkpoint_presets()
  bool outliers = false;  ///< plant a few channels with large activations, as trained checkpoints have
  std::uint64_t seed = 1;
};

std::vector<std::string> checkpoint_presets();

/// Called while weights are written: bytes so far and in all.
using Progress = std::function<void(std::size_t done, std::size_t total)>;

/// Writes everything but the weights: configuration and tokenizer. Errors: kUsage (unknown preset), kIo.
Result<void> write_configuration(const CheckpointOptions& options, const std::filesystem::path& directory);

/// Writes a checkpoint with random bf16 weights in the shape and the (older) file layout of a published one,
/// with a random tokenizer of the real size, into a new or empty directory. What it answers means nothing; it
/// takes the time and the memory that the real one takes.
/// Errors: kUsage (unknown preset, the directory holds something), kIo.
Result<void> write_checkpoint(const CheckpointOptions& options, const std::filesystem::path& directory,
                              const Progress& progress);

}  // namespace fovea::synth
