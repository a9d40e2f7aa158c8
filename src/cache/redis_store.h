#pragma once

#include <memory>

#include "cache/options.h"
#include "cache/store.h"

namespace fovea::cache {

/// Answers in Redis (2.6 or newer), each as encode_entry() under prefix + key, for the options' time to live.
/// What is read is taken for input from outside: its size is limited, its checksum and key are compared.
std::unique_ptr<Store> make_redis_store(const RedisOptions& options, std::size_t max_value_bytes);

}  // namespace fovea::cache
