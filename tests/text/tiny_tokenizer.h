#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "text/byte_symbols.h"
#include "text/tokenizer.h"

namespace fovea::text::test {

using Json = nlohmann::json;

/// A tokenizer.json to change in a test: every byte is in the vocabulary with its own value as id, there are
/// no merges, no added tokens, and the whole segment is one piece.
inline Json byte_tokenizer() {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[std::string(byte_symbol(static_cast<unsigned char>(byte)))] = byte;
  }
  return {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}}},
      {"model", {{"type", "BPE"}, {"unk_token", nullptr}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
}

/// Adds rules by rank; their products get the next ids.
inline void add_merges(Json& file, const std::vector<std::pair<std::string, std::string>>& merges) {
  Json& model = file["model"];
  for (const auto& [left, right] : merges) {
    model["merges"].push_back({left, right});
    model["vocab"].emplace(left + right, model["vocab"].size());
  }
}

/// Appends an added token with id `id`; `flags` overrides its flags, all false otherwise.
inline void add_token(Json& file, const std::string& content, int id, const Json& flags = Json::object()) {
  Json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", false}};
  token.update(flags);
  file["added_tokens"].push_back(token);
}

inline Result<Tokenizer> parse(const Json& file) {
  return Tokenizer::parse(file.dump(), "tokenizer.json");
}

/// A tokenizer that must be valid.
inline Tokenizer build(const Json& file) {
  return parse(file).value();
}

}  // namespace fovea::text::test
