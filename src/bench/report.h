#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/bench.h"

namespace fovea::bench {

/// The members that programs rely on first (`machine`, `isa`, `tile_ms`, `prefill_872_ms`, `decode_tok_s`,
/// `end_to_end_ms`, `peak_rss_mb`; null where the model's context was too short), then the rest.
nlohmann::ordered_json to_json(const Report& report);

/// A table for people, with a line for each figure.
std::string to_table(const Report& report);

}  // namespace fovea::bench
