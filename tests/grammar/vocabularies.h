#pragma once

#include <memory>
#include <string>

#include "grammar/vocabulary.h"
#include "support/paths.h"
#include "synth/tokenizer.h"
#include "text/tokenizer.h"

namespace fovea::grammar::test {

/// A tokenizer and its vocabulary.
struct Vocabulary {
  text::Tokenizer tokenizer;
  TokenVocabulary::Pointer tokens;
};

inline Vocabulary make_vocabulary(Result<text::Tokenizer> tokenizer, const std::string& eos) {
  const std::int32_t id = tokenizer.value().token_to_id(eos).value();
  auto tokens = std::make_shared<const TokenVocabulary>(*tokenizer, std::span(&id, 1));
  return {*std::move(tokenizer), std::move(tokens)};
}

/// The shipped card reader's 320 ids, with whole pieces of an answer among them.
inline const Vocabulary& card_vocabulary() {
  static const Vocabulary vocabulary = make_vocabulary(
      text::Tokenizer::load(fovea::test::source_folder() / "models/card-reader-s"), "<end_of_utterance>");
  return vocabulary;
}

/// 49,280 ids, random merges.
inline const Vocabulary& large_vocabulary() {
  static const Vocabulary vocabulary = make_vocabulary(
      text::Tokenizer::parse(synth::random_tokenizer_json(1), "synthetic"), "<end_of_utterance>");
  return vocabulary;
}

inline bool bit(const std::vector<std::uint64_t>& mask, std::int32_t id) {
  return ((mask[static_cast<std::size_t>(id) / 64] >> (static_cast<std::size_t>(id) % 64)) & 1U) != 0;
}

}  // namespace fovea::grammar::test
