// The first byte says what the rest is: a tokenizer.json, used where it is accepted; or a text for one of
// three tokenizers that have every byte in their vocabulary, which must come back as it was.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "text/byte_symbols.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace {

using Json = nlohmann::json;
using fovea::text::Tokenizer;

void require(bool condition) {
  if (!condition) std::abort();
}

Json added_token(int id, const char* content, const Json& flags) {
  Json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", false}};
  token.update(flags);
  return token;
}

Tokenizer make_tokenizer(const Json& normalizer, const Json& first_stage, bool byte_level_splits) {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[std::string(fovea::text::byte_symbol(static_cast<unsigned char>(byte)))] = byte;
  }
  Json merges = Json::array();
  for (const auto& [left, right] :
       {std::pair("a", "b"), {"a", "a"}, {"aa", "aa"}, {"Ġ", "a"}, {"Ã", "©"}, {"Ġ", "Ġ"}}) {
    merges.push_back({left, right});
    vocabulary[std::string(left) + right] = vocabulary.size();
  }
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", byte_level_splits}};
  const Json file = {
      {"added_tokens",
       {added_token(300, "<a>", {{"special", true}}), added_token(301, "<a><b>", Json::object()),
        added_token(302, "é!", {{"normalized", true}}), added_token(303, "bb", {{"single_word", true}})}},
      {"normalizer", normalizer},
      {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {first_stage, byte_level}}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
  auto tokenizer = Tokenizer::parse(file.dump(), "fuzz");
  require(tokenizer.has_value());
  return *std::move(tokenizer);
}

const Tokenizer& fixed_tokenizer(std::size_t which) {
  static const Json kDigits = {{"type", "Digits"}, {"individual_digits", true}};
  static const Json kSplit = {{"type", "Split"},
                              {"pattern", {{"Regex", std::string(fovea::text::kQwen2Pattern)}}},
                              {"behavior", "Isolated"}};
  static const std::array<Tokenizer, 3> kTokenizers = {make_tokenizer(nullptr, kDigits, true),
                                                       make_tokenizer(nullptr, kSplit, false),
                                                       make_tokenizer({{"type", "NFC"}}, kSplit, true)};
  return kTokenizers[which % kTokenizers.size()];
}

void check_ids(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text);
  for (const std::int32_t id : ids) require(id >= 0 && id < tokenizer.size());
  require(fovea::text::is_valid_utf8(tokenizer.decode(ids, true)));
}

void check_round_trip(std::size_t which, std::string_view bytes) {
  const Tokenizer& tokenizer = fixed_tokenizer(which);
  const std::string text = fovea::text::replace_invalid_utf8(bytes);
  const auto ids = tokenizer.encode(bytes);
  const std::string back = tokenizer.decode(ids, false);
  // Form C is taken of each segment between added tokens; of the whole, both sides have the same.
  require(which % 3 == 2 ? fovea::text::to_nfc(back) == fovea::text::to_nfc(text) : back == text);
  require(tokenizer.encode(text) == ids);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 < 3) {
    check_round_trip(data[0] % 4, rest);
  } else if (const auto tokenizer = Tokenizer::parse(rest, "fuzz")) {
    check_ids(*tokenizer, "ab <a> 12  \n\u00e9e\u0301\u3000'S <|im_end|>");
    check_ids(*tokenizer, rest);
  }
  return 0;
}
