#pragma once

#include <cstddef>

#include "base/result.h"
#include "bench/bench.h"
#include "engine/engine.h"

namespace fovea::bench {

/// A server's engine, as measure_parallel() wants it: none of so many requests is refused, and no picture of
/// an earlier round is remembered.
engine::EngineOptions parallel_options(std::size_t parallel);

/// Asks an engine as clients who come at the same moment do. A round is one request by itself, so that both
/// have the same machine, and then `parallel` at once; each has a picture of its own, which is decoded and
/// cut on as many threads as a server has for that. One request before the rounds wakes pages and caches.
/// Errors: those of preparing and of answering a request.
Result<Concurrency> measure_parallel(engine::Engine& engine, std::size_t parallel, std::size_t rounds);

}  // namespace fovea::bench
