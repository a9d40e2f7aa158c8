#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/candidate.h"
#include "tasks/check.h"

namespace fovea::recognize {

/// One picture to be read. `bytes` must outlive the call.
struct Request {
  std::string request_id;            ///< empty: one is made
  std::string file;                  ///< a name for people, may be empty
  std::span<const std::byte> bytes;  ///< the image file's content
  std::string task = "trading-card";
};

/// Milliseconds that one answer took, part by part.
struct Timings {
  double queue_ms = 0;
  double image_ms = 0;
  double vision_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
  double total_ms = 0;
};

/// What is known about one picture after its request ended, well or badly.
struct Recognition {
  std::string request_id;
  std::string file;
  std::optional<Error> error;  ///< set: the picture could not be read, and `fields` is empty
  std::string task;
  std::string model;
  std::string model_version;
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();  ///< in the task's order; null: not shown
  std::string rule;                                                  ///< which routing rule chose the model
  std::string why;                                                   ///< the reason in words
  Timings timings;
  std::vector<tasks::Check> checks;            ///< what the task's validators say of the fields
  std::vector<catalog::Candidate> candidates;  ///< the catalogue's entries most like the fields, best first
  std::optional<std::int64_t> review_id;       ///< set: the answer waits for a person's review

  [[nodiscard]] bool ok() const { return !error.has_value(); }

  /// The object that `fovea recognize --json` prints and `POST /recognize` answers. `checks`, `candidates`
  /// and `review_id` are there only where there are any.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

struct ModelInfo {
  std::string id;
  std::string version;  ///< digest of the weights and configuration
};

/// Something that reads pictures: the real pipeline, or a stand-in in tests of what surrounds it.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Reads one picture. Never throws; every failure is in the answer. May be called by one thread at a time.
  virtual Recognition recognize(const Request& request) = 0;
  [[nodiscard]] virtual std::vector<ModelInfo> models() const = 0;
  [[nodiscard]] virtual bool has_task(const std::string& task) const = 0;
};

}  // namespace fovea::recognize
