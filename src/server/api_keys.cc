#include "server/api_keys.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "server/http.h"

namespace fovea::server {
namespace {

constexpr std::size_t kMaxKeyFileBytes = 1'000'000;
constexpr std::size_t kMinKeyLength = 16;
constexpr std::string_view kDigestPrefix = "sha256:";

/// RFC 6750's token68 alphabet, which is what can stand behind "Bearer".
bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/=").contains(c);
}

std::optional<Sha256> digest_from_hex(std::string_view hex) {
  Sha256 digest{};
  if (hex.size() != digest.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char* begin = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, digest[i], 16);
    if (error != std::errc() || end != begin + 2) return std::nullopt;
  }
  return digest;
}

}  // namespace

Sha256 sha256(std::string_view text) {
  Sha256 digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

const ApiKey* KeyRing::find(std::string_view token) const {
  const Sha256 digest = sha256(token);
  const ApiKey* found = nullptr;
  for (const ApiKey& key : keys_) {
    if (CRYPTO_memcmp(key.digest.data(), digest.data(), digest.size()) == 0) found = &key;
  }
  return found;
}

Result<ApiKey> parse_api_key(std::string_view text, std::string_view default_name) {
  ApiKey key{.name = std::string(default_name)};
  text = trim(text);
  if (const auto colon = text.find(':');
      colon != std::string_view::npos && !text.starts_with(kDigestPrefix)) {
    key.name = trim(text.substr(0, colon));
    text = trim(text.substr(colon + 1));
    if (!is_acceptable_request_id(key.name)) {
      return fail(ErrorCode::kUsage, "a key's name takes letters, digits, \".\", \"_\" and \"-\"");
    }
  }
  if (text.starts_with(kDigestPrefix)) {
    const auto digest = digest_from_hex(text.substr(kDigestPrefix.size()));
    if (!digest) return fail(ErrorCode::kUsage, "sha256: takes 64 hexadecimal digits");
    key.digest = *digest;
    return key;
  }
  if (text.size() < kMinKeyLength) {
    return fail(ErrorCode::kUsage,
                fmt::format("a key has at least {} characters; try: openssl rand -hex 24", kMinKeyLength));
  }
  if (!std::ranges::all_of(text, is_token_character)) {
    return fail(ErrorCode::kUsage, "a key takes letters, digits and -._~+/=");
  }
  key.digest = sha256(text);
  return key;
}

Result<std::vector<ApiKey>> read_key_file(const std::string& path) {
  FOVEA_TRY(const std::string content, read_file(path, kMaxKeyFileBytes));
  std::vector<ApiKey> keys;
  std::string_view rest = content;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    auto key = parse_api_key(line, fmt::format("line-{}", number));
    if (!key) return with_context(std::move(key).error(), fmt::format("{}:{}", path, number));
    keys.push_back(std::move(*key));
  }
  return keys;
}

std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (!equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  return trim(authorization.substr(kScheme.size()));
}

}  // namespace fovea::server
