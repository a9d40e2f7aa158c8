#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "image/image.h"

namespace fovea::cache {

/// A SHA-256.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] std::string hex() const;
  /// Nothing unless `text` is 64 hexadecimal digits, small ones.
  static std::optional<Digest> from_hex(std::string_view text);
};

/// What an answer is stored under.
using Key = Digest;

/// SHA-256 of some bytes as they are, such as an uploaded file.
Digest digest_bytes(std::span<const std::byte> bytes);

/// SHA-256 of a decoded, upright picture: its width, height and pixels. Equal for files of any format that
/// decode to the same pixels.
Digest digest_picture(const image::Image& picture);

/// Everything but the pictures that decides an answer.
struct Question {
  std::string model;  ///< digest of the weights and configuration
  std::string task;   ///< digest of the prompt, the output schema and what is done with the answer
  /// Every setting that changes the answer, by name: mode, precision, temperature, seed, detail, … In any
  /// order; a setting given with its default is another question than one left out.
  std::vector<std::pair<std::string, std::string>> parameters;
};

/// The key of the answer to a question about decoded pictures (digest_picture, in the order asked).
///
/// What is hashed names and counts every part (domain, then each part's kind and length before its bytes), so
/// that two different questions are never the same bytes: keys differ as long as SHA-256 has no collisions.
Key answer_key(std::span<const Digest> pictures, const Question& question);

/// The same over the files as they were uploaded (digest_bytes), for the index that spares decoding them.
/// Never equal to an answer_key.
Key upload_key(std::span<const Digest> uploads, const Question& question);

}  // namespace fovea::cache

template <>
struct std::hash<fovea::cache::Digest> {
  std::size_t operator()(const fovea::cache::Digest& digest) const noexcept {
    std::size_t value = 0;  // the digest is as random as a hash can be
    std::memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};
