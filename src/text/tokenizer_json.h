#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pre_tokenizer.h"

namespace fovea::text {

/// A tokenizer.json, checked: ids are in [0, kMaxTokens) and stand for one token each, merges name tokens
/// that exist, and every component is one that this room implements.
struct TokenizerDescription {
  BpeDescription model;
  PreTokenizer::Stages stages;
  bool nfc = false;
  std::vector<AddedToken> added;  ///< contents are not empty and differ
};

/// Four times the largest vocabulary that is known; an id costs memory, so a hostile one must not.
inline constexpr std::int32_t kMaxTokens = 1 << 21;

/// All added tokens together; real files have some kilobytes.
inline constexpr std::size_t kMaxAddedTokenBytes = std::size_t{1} << 20;

/// Errors (the message starts with the place in the file): kInvalidModel.
Result<TokenizerDescription> read_tokenizer_description(const nlohmann::json& file);

}  // namespace fovea::text
