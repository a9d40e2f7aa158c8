#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "cache/key.h"

struct evp_md_ctx_st;

namespace fovea::cache {

/// SHA-256 over parts, by OpenSSL. Numbers go in as eight bytes, lowest first, on every machine.
class Sha256 {
 public:
  Sha256();
  Sha256& add(std::span<const std::byte> bytes);
  Sha256& add(std::string_view bytes) { return add(std::as_bytes(std::span(bytes))); }
  Sha256& add_number(std::uint64_t number);
  /// The length and then the bytes.
  Sha256& add_sized(std::string_view bytes) { return add_number(bytes.size()).add(bytes); }
  Digest finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace fovea::cache
