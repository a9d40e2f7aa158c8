#include "server/gate.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "server/problem.h"

namespace fovea::server {
namespace {

constexpr std::size_t kMaxAddressLength = 45;  ///< of an IPv6 address with an IPv4 address in it

HttpResponse unauthorized(const RequestHead& head, std::string_view detail) {
  HttpResponse response = problem(head, 401, "unauthorized", detail);
  response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"fovea\""});
  return response;
}

HttpResponse too_many(const RequestHead& head, std::string_view detail, int retry_after_s) {
  return problem(head, 429, "rate_limited", detail, retry_after_s);
}

}  // namespace

std::shared_ptr<const Policy> Gate::policy() const {
  const std::scoped_lock lock(mutex_);
  return policy_;
}

void Gate::set_policy(Policy policy) {
  auto next = std::make_shared<const Policy>(std::move(policy));
  const std::scoped_lock lock(mutex_);
  policy_.swap(next);
}

std::optional<HttpResponse> Gate::check(const RequestHead& head, Access access) {
  if (access == Access::kOpen) return std::nullopt;
  const auto policy = this->policy();
  const std::string* authorization = head.header("Authorization");
  const auto token = authorization == nullptr ? std::nullopt : bearer_token(*authorization);
  if (access == Access::kAdmin) {
    if (!policy->admin_token) return problem(head, 404, "not_found", "the admin endpoints are off");
    const Sha256 digest = sha256(token.value_or(std::string_view{}));
    if (CRYPTO_memcmp(digest.data(), policy->admin_token->data(), digest.size()) == 0) return std::nullopt;
    return unauthorized(head, "this endpoint takes the admin token, as Authorization: Bearer TOKEN");
  }
  if (policy->address_rate > 0) {
    if (const auto wait =
            limiter_.take("address " + head.client, policy->address_rate, policy->address_burst)) {
      return too_many(head, "too many requests from this address", *wait);
    }
  }
  if (policy->keys.empty() || (access == Access::kMetrics && policy->open_metrics)) return std::nullopt;
  if (!token) return unauthorized(head, "an API key is needed, as Authorization: Bearer KEY");
  const ApiKey* key = policy->keys.find(*token);
  if (key == nullptr) return unauthorized(head, "the API key is not known here");
  if (const auto wait = limiter_.take("key " + key->name, key->rate, key->burst)) {
    return too_many(head, "too many requests with this API key", *wait);
  }
  return std::nullopt;
}

std::string client_address(const Policy& policy, const std::string& peer, const RequestHead& head) {
  if (std::ranges::find(policy.trusted_proxies, peer) == policy.trusted_proxies.end()) return peer;
  // The last line's last entry: what stands before it may be the client's own invention.
  std::string_view last;
  for (const Field& field : head.headers) {
    if (equal_ignoring_case(field.name, "X-Forwarded-For")) {
      last = trim(std::string_view(field.value).substr(field.value.rfind(',') + 1));
    }
  }
  const bool is_address = !last.empty() && last.size() <= kMaxAddressLength &&
                          last.find_first_not_of("0123456789abcdefABCDEF.:") == std::string_view::npos;
  return is_address ? std::string(last) : peer;
}

}  // namespace fovea::server
