#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cache/key.h"

namespace fovea::cache {

/// What was answered to a question, and how it came about.
struct Answer {
  std::string payload;  ///< JSON; nothing here looks into it
  std::string model;    ///< its name
  std::string model_version;
  std::string task;             ///< its name
  std::int64_t created_ms = 0;  ///< when it was computed, milliseconds since 1970
  double latency_ms = 0;        ///< what computing it took

  bool operator==(const Answer&) const = default;
};

/// Answers are shared, never changed.
using AnswerPtr = std::shared_ptr<const Answer>;

struct Entry {
  Key key;
  AnswerPtr answer;
};

/// Milliseconds since 1970, for Answer::created_ms.
std::int64_t now_ms();

/// The memory that an answer takes, roughly: its texts and what surrounds them.
std::size_t size_in_memory(const Answer& answer);

/// SHA-256 over the key and all of the answer: what is stored beside an answer, so that one that was damaged
/// or put under another key is not served.
Digest checksum(const Key& key, const Answer& answer);

/// The bytes that Redis holds: a format version, the key, the answer, their checksum. decode_entry() gives
/// nothing unless the bytes are exactly what encode_entry() made for this key.
std::string encode_entry(const Key& key, const Answer& answer);
std::optional<Answer> decode_entry(const Key& key, std::string_view bytes);

}  // namespace fovea::cache
