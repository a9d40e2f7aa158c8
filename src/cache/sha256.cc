#include "cache/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace fovea::cache {
namespace {

/// Only a program without memory or without SHA-256 fails here, and no key is better than a wrong one.
void require(bool fine) {
  if (!fine) std::abort();
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

Sha256& Sha256::add(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  return *this;
}

Sha256& Sha256::add_number(std::uint64_t number) {
  std::array<std::byte, 8> bytes{};
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(number & 0xffU);
    number >>= 8U;
  }
  return add(bytes);
}

Digest Sha256::finish() {
  Digest digest;
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), &size) == 1 && size == digest.bytes.size());
  return digest;
}

}  // namespace fovea::cache
