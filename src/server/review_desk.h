#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.h"

namespace fovea::server {

/// Readings that wait for a person, as the endpoints under /reviews ask for them. Its calls may take a while,
/// as a database does: the server makes them on a thread of their own, one at a time.
class ReviewDesk {
 public:
  virtual ~ReviewDesk() = default;

  struct Decision {
    std::string who;         ///< a name for the history
    bool supersede = false;  ///< over an earlier decision
  };

  /// `{"reviews": […], "after": id or null}`: at most `limit`, with ids over `after`. `state` empty: all.
  virtual Result<nlohmann::ordered_json> list(const std::string& state, std::size_t limit,
                                              std::int64_t after) = 0;
  /// One review with its history. Errors: kNotFound.
  virtual Result<nlohmann::ordered_json> get(std::int64_t id) = 0;
  /// The picture file. Errors: kNotFound.
  virtual Result<std::string> picture(std::int64_t id) = 0;
  /// Decisions; each gives the review as it then is.
  virtual Result<nlohmann::ordered_json> accept(std::int64_t id, const Decision& decision) = 0;
  virtual Result<nlohmann::ordered_json> correct(std::int64_t id, const nlohmann::ordered_json& fields,
                                                 const Decision& decision) = 0;
  virtual Result<nlohmann::ordered_json> reject(std::int64_t id, const std::string& reason,
                                                const Decision& decision) = 0;
};

}  // namespace fovea::server
