#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "cache/answer.h"
#include "cache/key.h"
#include "cache/timer.h"

namespace fovea::cache {

/// A key for a test: different texts, different keys.
inline Key test_key(std::string_view text) {
  return digest_bytes(std::as_bytes(std::span(text)));
}

inline AnswerPtr test_answer(std::string payload = R"({"fields":{"name":"Abra"}})") {
  return std::make_shared<const Answer>(Answer{.payload = std::move(payload),
                                               .model = "card-reader-s",
                                               .model_version = "0123456789ab",
                                               .task = "trading-card",
                                               .created_ms = 1'790'000'000'123,
                                               .latency_ms = 812.5});
}

/// Far enough away for the slowest machine, when a test is not about time.
inline Clock::time_point soon() {
  return Clock::now() + std::chrono::seconds(30);
}

}  // namespace fovea::cache
