#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "routing/call.h"

namespace fovea::routing {

/// How a candidate's answers compare with those that were given, for one task and one candidate.
struct ShadowFigures {
  std::uint64_t started = 0;   ///< calls of the candidate
  std::uint64_t skipped = 0;   ///< that were due, and not made: too many under way, or its breaker was open
  std::uint64_t failed = 0;    ///< that gave no answer, or one of the wrong form
  std::uint64_t compared = 0;  ///< answers of both
  std::uint64_t same = 0;      ///< in which every field agrees
  struct Field {
    std::uint64_t compared = 0, same = 0;
  };
  std::map<std::string, Field> fields = {};
  double answered_ms = 0;   ///< that the given answers took, all together
  double candidate_ms = 0;  ///< that the candidate's took

  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

/// Counts what shadow calls bring, by task and candidate. Thread-safe.
class ShadowBook {
 public:
  using Key = std::pair<std::string, std::string>;  ///< task, candidate

  void started(const Key& key);
  void skipped(const Key& key);
  void failed(const Key& key);
  void compare(const Key& key, const tasks::Task* task, const Answer& given, double given_ms,
               const Answer& candidate, double candidate_ms);
  [[nodiscard]] std::map<Key, ShadowFigures> figures() const;

 private:
  mutable std::mutex mutex_;
  std::map<Key, ShadowFigures> figures_;  // guarded by mutex_
};

}  // namespace fovea::routing
