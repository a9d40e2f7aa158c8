#pragma once

#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace fovea::text {

/// The ways in which a text is cut into pieces before byte-pair encoding. Every one of them covers the text.
enum class Splitter {
  kDigits,     ///< every number character (category N*) alone, the text between together
  kDigitRuns,  ///< runs of number characters, runs of others
  kGpt2,       ///< the pattern built into the ByteLevel pre-tokeniser
  kQwen2,      ///< the pattern of Qwen2's tokenizer.json (kQwen2Pattern)
};

/// The regular expression by which Qwen2's Split pre-tokeniser is recognised.
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// A pipeline of splitters whose last stage is ByteLevel. Immutable, so usable by many threads at once.
class PreTokenizer {
 public:
  struct Stages {
    std::vector<Splitter> splitters;  ///< before ByteLevel, in order: each cuts the pieces of the one before
    bool add_prefix_space = false;    ///< ByteLevel: a piece that does not start with a space gets one
    bool byte_level_splits = false;   ///< ByteLevel: cuts by Splitter::kGpt2
  };
  explicit PreTokenizer(Stages stages) : stages_(std::move(stages)) {}

  /// Calls `on_piece` for every piece of a segment of well-formed UTF-8, from left to right. The pieces are
  /// only valid during the call.
  void split(std::string_view segment, const std::function<void(std::string_view)>& on_piece) const;

 private:
  void apply(std::size_t stage, std::string_view text,
             const std::function<void(std::string_view)>& on_piece) const;
  void byte_level(std::string_view text, const std::function<void(std::string_view)>& on_piece) const;

  Stages stages_;
};

}  // namespace fovea::text
