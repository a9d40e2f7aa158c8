#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fovea::server {

struct ImageFetchOptions {
  std::vector<std::string> hosts;  ///< "HOST" (its ports 80 and 443) or "HOST:PORT"; nothing else is asked
  std::size_t max_bytes = std::size_t{20} * 1000 * 1000;
  std::chrono::milliseconds timeout{
      10'000};  ///< of one picture, from the look-up of the name to the last byte
};

/// Fetches pictures by http and https URLs from hosts that the operator named, and from no others: a URL of a
/// client must not make the server speak to what only the server can reach. Redirects are not followed,
/// proxies of the environment are not used, certificates are verified. Thread-safe; blocks its caller.
class ImageFetcher {
 public:
  explicit ImageFetcher(ImageFetchOptions options) : options_(std::move(options)) {}

  /// Whether the URL may be fetched. Errors: kInvalidArgument, with the reason.
  [[nodiscard]] Result<void> check_url(const std::string& url) const;

  /// The body of the answer. Errors: those of check_url(); kInvalidArgument for a host that cannot be
  /// reached, another status than 200, a time-out; kTooLarge; kCancelled when `stop` is requested; kDeadline.
  [[nodiscard]] Result<std::vector<std::byte>> fetch(
      const std::string& url, std::optional<std::chrono::steady_clock::time_point> deadline,
      const std::stop_token& stop) const;

 private:
  const ImageFetchOptions options_;
};

}  // namespace fovea::server
