#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fovea::server {

using Sha256 = std::array<unsigned char, 32>;

Sha256 sha256(std::string_view text);

/// A secret that a caller may show. Only its digest is held.
struct ApiKey {
  std::string name;       ///< for the log; not secret
  Sha256 digest{};        ///< of the key's text
  double rate = 0;        ///< requests a second on average; 0: no limit of its own
  std::size_t burst = 0;  ///< requests at once; 0: as many as `rate` gives in a second, at least one
};

/// The keys that open the server. Immutable, so that any thread may ask.
class KeyRing {
 public:
  KeyRing() = default;
  explicit KeyRing(std::vector<ApiKey> keys) : keys_(std::move(keys)) {}

  [[nodiscard]] bool empty() const { return keys_.empty(); }

  /// The key that `token` is, or null. Takes as long for every token of a length: all keys are compared, each
  /// in constant time, and what is compared are digests.
  [[nodiscard]] const ApiKey* find(std::string_view token) const;

 private:
  std::vector<ApiKey> keys_;
};

/// One key from a line of a key file or from a list: `KEY`, `NAME:KEY`, and in place of KEY also
/// `sha256:HEX`, so that the secret itself need not be stored. Errors: kUsage, which never show the key.
Result<ApiKey> parse_api_key(std::string_view text, std::string_view default_name);

/// The keys of a file, one a line; empty lines and those that begin with # are skipped. Errors: kUsage with
/// file and line; kNotFound, kIo.
Result<std::vector<ApiKey>> read_key_file(const std::string& path);

/// The token of an `Authorization: Bearer TOKEN` value; nothing when it is of another kind.
std::optional<std::string_view> bearer_token(std::string_view authorization);

}  // namespace fovea::server
