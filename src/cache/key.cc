#include "cache/key.h"

#include <algorithm>

#include "cache/sha256.h"

namespace fovea::cache {
namespace {

/// The first thing hashed: no key of one kind, or of another version of this scheme, equals one of another.
constexpr std::string_view kPictureDomain = "fovea picture 1";
constexpr std::string_view kAnswerDomain = "fovea answer 1";
constexpr std::string_view kUploadDomain = "fovea upload 1";

Key question_key(std::string_view domain, std::span<const Digest> pictures, const Question& question) {
  std::vector<std::pair<std::string_view, std::string_view>> parameters(question.parameters.begin(),
                                                                        question.parameters.end());
  std::ranges::sort(parameters);
  Sha256 hash;
  hash.add_sized(domain).add_sized(question.model).add_sized(question.task);
  hash.add_number(pictures.size());
  for (const Digest& picture : pictures) hash.add(std::as_bytes(std::span(picture.bytes)));
  hash.add_number(parameters.size());
  for (const auto& [name, value] : parameters) hash.add_sized(name).add_sized(value);
  return hash.finish();
}

}  // namespace

std::string Digest::hex() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::optional<Digest> Digest::from_hex(std::string_view text) {
  Digest digest;
  if (text.size() != 2 * digest.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = c >= 'a' && c <= 'f';
    if (!letter && (c < '0' || c > '9')) return std::nullopt;
    const int value = letter ? c - 'a' + 10 : c - '0';
    digest.bytes[i / 2] = static_cast<std::uint8_t>(digest.bytes[i / 2] * 16 + value);
  }
  return digest;
}

Digest digest_bytes(std::span<const std::byte> bytes) {
  return Sha256().add(bytes).finish();
}

Digest digest_picture(const image::Image& picture) {
  return Sha256()
      .add_sized(kPictureDomain)
      .add_number(static_cast<std::uint64_t>(picture.width))
      .add_number(static_cast<std::uint64_t>(picture.height))
      .add(std::as_bytes(std::span(picture.rgb)))
      .finish();
}

Key answer_key(std::span<const Digest> pictures, const Question& question) {
  return question_key(kAnswerDomain, pictures, question);
}

Key upload_key(std::span<const Digest> uploads, const Question& question) {
  return question_key(kUploadDomain, uploads, question);
}

}  // namespace fovea::cache
