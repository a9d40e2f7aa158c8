#include "synth/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "synth/random.h"
#include "text/byte_symbols.h"

namespace fovea::synth {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMerges = 48'900;
constexpr std::size_t kReserved = 88;
constexpr std::size_t kLongestToken = 14;  // byte symbols

constexpr std::array<std::string_view, 17> kTextSpecials{
    "<|endoftext|>",    "<|im_start|>",    "<|im_end|>",     "<repo_name>",    "<reponame>",
    "<file_sep>",       "<filename>",      "<gh_stars>",     "<issue_start>",  "<issue_comment>",
    "<issue_closed>",   "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
    "<jupyter_script>", "<empty_output>"};

/// Bytes that the published vocabulary has no symbol for.
bool is_missing(unsigned byte) {
  constexpr std::array<unsigned, 10> kMissing{0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2};
  if (byte >= 0xF5) return true;
  for (const unsigned missing : kMissing) {
    if (byte == missing) return true;
  }
  return false;
}

/// The symbols of all bytes that the published vocabulary has, in the order of their code points (which is
/// that of their UTF-8).
std::vector<std::string> byte_symbols() {
  std::vector<std::string> symbols;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!is_missing(byte)) symbols.emplace_back(text::byte_symbol(static_cast<unsigned char>(byte)));
  }
  std::ranges::sort(symbols);
  return symbols;
}

struct Token {
  std::string text;
  std::size_t symbols;
};

std::vector<std::string> marker_tokens() {
  std::vector<std::string> markers{"<global-img>"};
  for (int row = 1; row <= 6; ++row) {
    for (int column = 1; column <= 6; ++column)
      markers.push_back(fmt::format("<row_{}_col_{}>", row, column));
  }
  markers.emplace_back("<fake_token_around_image>");
  markers.emplace_back("<image>");
  for (std::size_t i = 0; i < kReserved; ++i)
    markers.push_back(fmt::format("<|reserved_special_token_{}|>", i));
  markers.emplace_back("<end_of_utterance>");
  return markers;
}

Json added_token(std::size_t id, std::string_view content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

}  // namespace

std::string random_tokenizer_json(std::uint64_t seed) {
  Random random(seed);
  Json added = Json::array();
  Json::object_t vocab;
  std::size_t id = 0;
  const auto add = [&](const std::string& text) { vocab.emplace_back(text, id++); };

  for (const std::string_view special : kTextSpecials) {
    added.push_back(added_token(id, special));
    add(std::string(special));
  }
  std::vector<Token> tokens;
  std::unordered_set<std::string> known;
  for (const std::string& symbol : byte_symbols()) {
    tokens.push_back({symbol, 1});
    known.insert(symbol);
    add(symbol);
  }
  Json merges = Json::array();
  while (merges.size() < kMerges) {
    // Half of the picks come from the single bytes, so that tokens stay as short as real ones.
    const auto pick = [&]() -> const Token& {
      return tokens[random.below(random.below(2) == 0 ? tokens.size() : 235)];
    };
    const Token& left = pick();
    const Token& right = pick();
    Token merged{left.text + right.text, left.symbols + right.symbols};
    if (merged.symbols > kLongestToken || !known.insert(merged.text).second) continue;
    merges.push_back(left.text + " " + right.text);
    add(merged.text);
    tokens.push_back(std::move(merged));
  }
  for (const std::string& marker : marker_tokens()) added.push_back(added_token(id++, marker));

  const Json byte_level{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const Json digits{{"type", "Digits"}, {"individual_digits", true}};
  const Json tokenizer{{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", std::move(added)},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {digits, byte_level}}}},
                       {"post_processor", nullptr},
                       {"decoder", byte_level},
                       {"model",
                        {{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", nullptr},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", false},
                         {"byte_fallback", false},
                         {"ignore_merges", false},
                         {"vocab", std::move(vocab)},
                         {"merges", std::move(merges)}}}};
  return tokenizer.dump(1);
}

}  // namespace fovea::synth
