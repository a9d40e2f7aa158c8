#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fovea::text {

/// Byte-level byte-pair encoding as Hugging Face's `tokenizer.json` describes it (SmolLM2 and Qwen2 kinds).
/// Immutable after loading, so one tokenizer may be used by many threads at once.
class Tokenizer {
 public:
  /// Reads `DIR/tokenizer.json`. A component it does not implement (another model type, an unknown
  /// pre-tokeniser, a post-processor that adds tokens) is an error that names it, never silently skipped.
  /// Errors: kNotFound, kIo, kInvalidModel (with the file, the place in it and the reason).
  static Result<Tokenizer> load(const std::filesystem::path& directory);

  /// Builds from the text of a tokenizer.json; `source` names it in errors. Errors: kInvalidModel.
  static Result<Tokenizer> parse(std::string_view json, std::string_view source);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Ids of a text. Added tokens that stand in it are recognised, so text of a user that must not act as a
  /// marker has to be kept from spelling one; nothing is trimmed, no token is added. Bytes that are not UTF-8
  /// are taken as U+FFFD, as the reference's callers would hand them over. Bytes that the vocabulary lacks
  /// are dropped, or become its unknown token where it names one. Time O(n log n) in the longest word.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;

  /// Text of ids, not stripped; bytes that do not form UTF-8 become U+FFFD, one for each maximal subpart (as
  /// in Python's and Rust's lossy decoding). With `skip_special`, added tokens marked special are left out.
  /// Ids that do not exist are skipped.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special) const;

  /// The raw bytes of one token (its literal text for an added token), empty for an id that does not exist.
  [[nodiscard]] std::string_view token_bytes(std::int32_t id) const;

  /// Id of an added token or of a whole vocabulary entry spelled as in the file.
  [[nodiscard]] std::optional<std::int32_t> token_to_id(std::string_view token) const;
  [[nodiscard]] bool is_special(std::int32_t id) const;

  /// One more than the largest id.
  [[nodiscard]] std::int32_t size() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace fovea::text
