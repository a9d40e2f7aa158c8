#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/generator.h"
#include "kernels/peaks.h"

namespace fovea::bench {

struct BenchOptions {
  std::filesystem::path directory;  ///< of the checkpoint
  std::string model;                ///< what the report calls it
  bool synthetic = false;           ///< its weights are random: the report says so
  engine::GeneratorOptions generator;
  std::size_t concurrency = 0;  ///< requests at once; 0: not measured
  bool quick = false;           ///< every figure once instead of a median of several
};

/// One stage at one size. `peak_fraction`: what the machine's peaks allow at least, over what it took.
struct Measurement {
  std::size_t size = 0;  ///< tiles, prompt tokens, or context
  double value = 0;      ///< ms (of one tile, of the whole prompt), or tokens a second
  double peak_fraction = 0;
};

/// Medians of the parts of one request: a photo of 1500 x 2100 as a JPEG in memory, a question, 64 new
/// tokens.
struct EndToEnd {
  std::size_t tiles = 0, prompt_tokens = 0, new_tokens = 0;
  double image_ms = 0, vision_ms = 0, prefill_ms = 0, decode_ms = 0, total_ms = 0;
  double vision_peak_fraction = 0, prefill_peak_fraction = 0, decode_peak_fraction = 0;
  double peak_fraction = 0;  ///< of all, the image counted as taking no time
};

/// Medians of a photo's way to frames: the JPEG to pixels, and the pixels to tiles.
struct Picture {
  double decode_ms = 0, tile_ms = 0;
};

/// Such requests, each with a picture of its own, sent to a server's engine at the same moment.
struct Concurrency {
  std::size_t parallel = 0, requests = 0;  ///< at once, and in all rounds
  double requests_per_s = 0;
  double p50_ms = 0, p95_ms = 0;  ///< of one request, from being sent to its whole answer
  double together_ms = 0;         ///< from sending all to the last answer, median of the rounds
  double alone_ms = 0;            ///< of a request that has the engine for itself, median of the rounds

  /// What all took together, over what they would take one after the other.
  [[nodiscard]] double of_one_at_a_time() const {
    return together_ms / (static_cast<double>(parallel) * alone_ms);
  }
};

struct Report {
  std::string model, isa, dtype;
  std::string key_value_type;
  std::size_t key_value_bytes = 0;  ///< of one position, all layers
  bool synthetic = false;
  std::size_t threads = 0;
  kernels::Peaks before, after;  ///< the machine, at the beginning and at the end
  std::vector<Measurement> tiles, prefill, decode;
  EndToEnd end_to_end;
  Picture picture;
  std::optional<double> peak_memory_mb;  ///< of loading and the end-to-end requests, 10^6 bytes
  std::optional<Concurrency> concurrency;

  /// No peak moved by over 5 %: figures of one run can be compared with each other.
  [[nodiscard]] bool steady() const;
};

/// Told before each stage what comes next, with its number and how many there are.
using Observer = std::function<void(std::string_view stage, std::size_t number, std::size_t stages)>;

/// Measures everything; takes seconds to minutes. Sizes beyond the model's context are left out.
/// Errors: those of opening and asking a model; kUnavailable (no memory to measure the memory with).
Result<Report> run(const BenchOptions& options, const Observer& observer);

}  // namespace fovea::bench
