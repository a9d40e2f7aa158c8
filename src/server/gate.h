#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api_keys.h"
#include "server/http.h"
#include "server/rate_limiter.h"

namespace fovea::server {

/// Who may ask for how much. May be replaced while the server runs.
struct Policy {
  KeyRing keys;                       ///< empty: whoever reaches the port may ask
  std::optional<Sha256> admin_token;  ///< digest of what opens /admin; without it there is no /admin
  bool open_metrics = false;          ///< /metrics and /stats need no key
  double address_rate = 0;            ///< requests a second that one address may make; 0: no limit
  std::size_t address_burst = 0;      ///< as ApiKey::burst
  std::size_t max_connections_per_address = 0;                 ///< 0: no limit
  std::size_t max_body_bytes = std::size_t{20} * 1000 * 1000;  ///< of one request; more is answered 413
  std::vector<std::string> trusted_proxies;  ///< addresses whose X-Forwarded-For is believed
};

/// What it takes to reach an endpoint.
enum class Access { kOpen, kMetrics, kKey, kAdmin };

/// Decides who may come in. Thread-safe.
class Gate {
 public:
  explicit Gate(Policy policy) : policy_(std::make_shared<const Policy>(std::move(policy))) {}

  [[nodiscard]] std::shared_ptr<const Policy> policy() const;
  void set_policy(Policy policy);

  /// A refusal, or nothing when the request may come in: 401, 429 with Retry-After, or 404 for an /admin that
  /// is off.
  std::optional<HttpResponse> check(const RequestHead& head, Access access);

 private:
  mutable std::mutex mutex_;  // guards policy_
  std::shared_ptr<const Policy> policy_;
  RateLimiter limiter_;
};

/// The address that a request is counted under: `peer`, or, where that is a trusted proxy, the last address
/// that the proxy put into X-Forwarded-For.
std::string client_address(const Policy& policy, const std::string& peer, const RequestHead& head);

}  // namespace fovea::server
