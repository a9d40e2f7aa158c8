// What a tokenizer.json may say, and what is refused by name.

#include "text/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/temporary_folder.h"
#include "text/pre_tokenizer.h"
#include "text/tiny_tokenizer.h"

namespace fovea::text {
namespace {

using test::add_merges;
using test::add_token;
using test::byte_tokenizer;
using test::Json;
using test::parse;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// The message with which the changed file is refused; "accepted" where it is not.
std::string refusal(const std::function<void(Json&)>& change) {
  Json file = byte_tokenizer();
  add_merges(file, {{"a", "b"}});
  add_token(file, "<end>", 300, {{"special", true}});
  change(file);
  const auto tokenizer = parse(file);
  if (tokenizer) return "accepted";
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalidModel);
  EXPECT_THAT(tokenizer.error().message, StartsWith("tokenizer.json: "));
  EXPECT_LT(tokenizer.error().message.size(), 500U);
  return tokenizer.error().message;
}

std::string refusal_of(const char* pointer, const Json& value) {
  return refusal([&](Json& file) { file[Json::json_pointer(pointer)] = value; });
}

Json sequence(const char* key, const std::vector<Json>& parts) {
  return {{"type", "Sequence"}, {key, parts}};
}

const Json kByteLevel = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
const Json kQwen2Split = {{"type", "Split"},
                          {"pattern", {{"Regex", std::string(kQwen2Pattern)}}},
                          {"behavior", "Isolated"},
                          {"invert", false}};

TEST(TokenizerJson, AcceptsWhatTheTestsChange) {
  EXPECT_EQ(refusal([](Json&) {}), "accepted");
}

TEST(TokenizerJson, RefusesOtherModelsByName) {
  EXPECT_THAT(refusal_of("/model/type", "WordPiece"), AllOf(HasSubstr("model.type"), HasSubstr("WordPiece")));
  EXPECT_THAT(refusal_of("/model/type", 3), HasSubstr("model.type"));
  EXPECT_EQ(refusal([](Json& file) { file["model"].erase("type"); }), "accepted");
}

TEST(TokenizerJson, RefusesModelOptionsThatItDoesNotImplementByName) {
  EXPECT_THAT(refusal_of("/model/dropout", 0.1), HasSubstr("model.dropout"));
  EXPECT_THAT(refusal_of("/model/byte_fallback", true), HasSubstr("model.byte_fallback"));
  EXPECT_THAT(refusal_of("/model/continuing_subword_prefix", "##"), HasSubstr("continuing_subword_prefix"));
  EXPECT_THAT(refusal_of("/model/end_of_word_suffix", "</w>"), HasSubstr("end_of_word_suffix"));
  for (const char* affix : {"/model/continuing_subword_prefix", "/model/end_of_word_suffix"}) {
    EXPECT_EQ(refusal_of(affix, ""), "accepted");
    EXPECT_EQ(refusal_of(affix, nullptr), "accepted");
  }
  EXPECT_EQ(refusal_of("/model/dropout", 0.0), "accepted");
  EXPECT_EQ(refusal_of("/model/byte_fallback", false), "accepted");
}

TEST(TokenizerJson, RefusesOtherNormalisersByName) {
  EXPECT_THAT(refusal_of("/normalizer", {{"type", "Lowercase"}}),
              AllOf(HasSubstr("normalizer"), HasSubstr("Lowercase")));
  EXPECT_THAT(refusal_of("/normalizer", sequence("normalizers", {{{"type", "NFC"}}, {{"type", "NFKC"}}})),
              HasSubstr("normalizer.normalizers[1]: \"NFKC\""));
  EXPECT_THAT(refusal_of("/normalizer", "NFC"), HasSubstr("normalizer"));
  EXPECT_THAT(refusal_of("/normalizer", {{"type", "Sequence"}}), HasSubstr("normalizer.normalizers"));
}

TEST(TokenizerJson, RefusesOtherPreTokenisersByName) {
  EXPECT_THAT(refusal_of("/pre_tokenizer", nullptr), HasSubstr("pre_tokenizer"));
  EXPECT_THAT(refusal_of("/pre_tokenizer", {{"type", "Metaspace"}}), HasSubstr("\"Metaspace\""));
  EXPECT_THAT(refusal_of("/pre_tokenizer", sequence("pretokenizers", {{{"type", "Whitespace"}}, kByteLevel})),
              HasSubstr("pre_tokenizer.pretokenizers[0]: \"Whitespace\""));
  EXPECT_THAT(refusal_of("/pre_tokenizer", sequence("pretokenizers", {})), HasSubstr("ByteLevel"));
  EXPECT_THAT(refusal_of("/pre_tokenizer", sequence("pretokenizers", {kQwen2Split})), HasSubstr("ByteLevel"));
  EXPECT_THAT(refusal_of("/pre_tokenizer", sequence("pretokenizers", {kByteLevel, kQwen2Split})),
              HasSubstr("\"Split\" after ByteLevel"));
  EXPECT_THAT(refusal_of("/pre_tokenizer", {{"type", "ByteLevel"}}), HasSubstr("add_prefix_space"));
  EXPECT_THAT(refusal_of("/pre_tokenizer", sequence("pretokenizers", {{{"type", "Digits"}}, kByteLevel})),
              HasSubstr("individual_digits"));
  EXPECT_THAT(refusal_of("/pre_tokenizer", sequence("pretokenizers", std::vector<Json>(17, kQwen2Split))),
              HasSubstr("more than 16"));
}

TEST(TokenizerJson, AcceptsNestedSequencesAndSplitsByQwen2sPatternOnly) {
  const auto with_split = [](const Json& split) {
    return refusal_of("/pre_tokenizer",
                      sequence("pretokenizers", {sequence("pretokenizers", {split}), kByteLevel}));
  };
  EXPECT_EQ(with_split(kQwen2Split), "accepted");
  Json split = kQwen2Split;
  split["pattern"] = {{"Regex", "\\s+"}};
  EXPECT_THAT(with_split(split), HasSubstr("pattern: only Qwen2's is supported"));
  split["pattern"] = {{"String", " "}};
  EXPECT_THAT(with_split(split), HasSubstr("pattern"));
  split = kQwen2Split;
  split["behavior"] = "Removed";
  EXPECT_THAT(with_split(split), HasSubstr("Removed"));
  split = kQwen2Split;
  split["invert"] = true;
  EXPECT_THAT(with_split(split), HasSubstr("invert"));
}

TEST(TokenizerJson, RefusesPostProcessorsThatAddTokens) {
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json bos = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const auto with_template = [](const Json& single) {
    return refusal_of("/post_processor", {{"type", "TemplateProcessing"}, {"single", single}});
  };
  EXPECT_EQ(with_template(Json::array({text})), "accepted");
  EXPECT_THAT(with_template(Json::array({bos, text})),
              AllOf(HasSubstr("TemplateProcessing"), HasSubstr("<s>")));
  EXPECT_THAT(with_template(Json::array()), HasSubstr("TemplateProcessing"));
  EXPECT_THAT(with_template(nullptr), HasSubstr("TemplateProcessing"));
  EXPECT_THAT(refusal_of("/post_processor", {{"type", "BertProcessing"}}), HasSubstr("\"BertProcessing\""));
  EXPECT_EQ(refusal_of("/post_processor", kByteLevel), "accepted");
  EXPECT_EQ(refusal_of("/post_processor", sequence("processors", {kByteLevel})), "accepted");
  EXPECT_THAT(
      refusal_of("/post_processor", sequence("processors", {kByteLevel, {{"type", "RobertaProcessing"}}})),
      HasSubstr("post_processor.processors[1]: \"RobertaProcessing\""));
}

TEST(TokenizerJson, RefusesOtherDecodersByName) {
  EXPECT_THAT(refusal_of("/decoder", nullptr), HasSubstr("decoder"));
  EXPECT_THAT(refusal_of("/decoder", {{"type", "WordPiece"}}), HasSubstr("\"WordPiece\""));
}

TEST(TokenizerJson, RefusesOtherVersions) {
  EXPECT_THAT(refusal_of("/version", "2.0"), HasSubstr("version"));
}

TEST(TokenizerJson, RefusesIdsThatAreNoIds) {
  for (const Json& id : {Json(-1), Json(1.5), Json("7"), Json(nullptr), Json(true), Json::array()}) {
    EXPECT_THAT(refusal_of("/model/vocab/a", id), AllOf(HasSubstr("model.vocab: \"a\""), HasSubstr("id")));
    EXPECT_THAT(refusal_of("/added_tokens/0/id", id), HasSubstr("added_tokens[0].id"));
  }
}

TEST(TokenizerJson, RefusesIdsThatWouldCostMuchMemory) {
  for (const Json& id : {Json(kMaxTokens), Json(INT32_MAX), Json(UINT64_MAX)}) {
    EXPECT_THAT(refusal_of("/model/vocab/a", id), HasSubstr("over the limit"));
    EXPECT_THAT(refusal_of("/added_tokens/0/id", id), HasSubstr("over the limit"));
  }
  EXPECT_EQ(refusal_of("/added_tokens/0/id", kMaxTokens - 1), "accepted");
}

TEST(TokenizerJson, RefusesAnIdOfTwoTokens) {
  EXPECT_THAT(refusal_of("/model/vocab/b", 'a'), HasSubstr("id 97"));
  EXPECT_THAT(refusal_of("/added_tokens/0/id", 'a'), AllOf(HasSubstr("<end>"), HasSubstr("\"a\"")));
  EXPECT_THAT(refusal([](Json& file) { add_token(file, "<other>", 300); }), HasSubstr("<other>"));
  EXPECT_THAT(refusal([](Json& file) { add_token(file, "<end>", 301); }), HasSubstr("stands twice"));
}

TEST(TokenizerJson, RefusesAnAddedTokenThatTheVocabularyGivesAnotherId) {
  EXPECT_THAT(refusal([](Json& file) { add_token(file, "a", 301); }), HasSubstr("id 301 here and 97"));
  EXPECT_EQ(refusal([](Json& file) { add_token(file, "a", 97); }), "accepted");
}

TEST(TokenizerJson, IgnoresAnAddedTokenWithoutContent) {
  EXPECT_EQ(refusal([](Json& file) { add_token(file, "", 301); }), "accepted");
}

TEST(TokenizerJson, RefusesAddedTokensOfMoreThanAMegabyte) {
  EXPECT_THAT(refusal([](Json& file) { add_token(file, std::string(kMaxAddedTokenBytes, 'x'), 301); }),
              HasSubstr("bytes"));
}

TEST(TokenizerJson, RefusesMergesOfUnknownTokens) {
  EXPECT_THAT(refusal_of("/model/merges/0", {"a", "nope"}), HasSubstr("model.merges[0]: \"nope\""));
  EXPECT_THAT(refusal_of("/model/merges/0", "nope b"), HasSubstr("\"nope\""));
  EXPECT_THAT(refusal_of("/model/merges/0", {"a", "c"}), HasSubstr("\"ac\" is not in the vocabulary"));
}

TEST(TokenizerJson, RefusesMergesThatAreNoPairs) {
  for (const Json& merge : {Json("ab"), Json("a b c"), Json(""), Json(7), Json(nullptr), Json::array({"a"}),
                            Json::array({"a", "b", "c"}), Json::array({"a", 1}), Json::object()}) {
    EXPECT_THAT(refusal_of("/model/merges/0", merge), HasSubstr("model.merges[0]")) << merge;
  }
}

TEST(TokenizerJson, RefusesAnUnknownTokenThatIsMissingWhereABytesIs) {
  EXPECT_EQ(refusal_of("/model/unk_token", "<unk>"), "accepted");  // no byte can be unknown
  EXPECT_THAT(refusal([](Json& file) {
                file["model"]["unk_token"] = "<unk>";
                file["model"]["vocab"].erase("x");
              }),
              HasSubstr("model.unk_token: \"<unk>\""));
}

TEST(TokenizerJson, ShowsLongStringsCut) {
  EXPECT_THAT(refusal_of("/pre_tokenizer", {{"type", std::string(100'000, 'x')}}), HasSubstr("xxx…"));
  std::string two_byte_characters = "k";
  for (int i = 0; i < 1000; ++i) two_byte_characters += "é";
  EXPECT_THAT(refusal_of("/decoder", {{"type", two_byte_characters}}), HasSubstr("é"));
}

TEST(TokenizerJson, RefusesDamagedJsonAsADamagedModel) {
  for (const char* text : {"", "{", "[]", "null", "{\"model\": 1, \"model\": 2}", "{}"}) {
    const auto tokenizer = Tokenizer::parse(text, "tokenizer.json");
    ASSERT_FALSE(tokenizer) << text;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalidModel) << text;
    EXPECT_THAT(tokenizer.error().message, StartsWith("tokenizer.json: "));
  }
}

TEST(TokenizerJson, IsReadFromTheDirectory) {
  const fovea::test::TemporaryFolder folder;
  EXPECT_EQ(Tokenizer::load(folder.path()).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(write_file(folder.path() / "tokenizer.json", byte_tokenizer().dump()));
  EXPECT_TRUE(Tokenizer::load(folder.path()));
  ASSERT_TRUE(write_file(folder.path() / "tokenizer.json", "{}"));
  EXPECT_THAT(Tokenizer::load(folder.path()).error().message,
              StartsWith((folder.path() / "tokenizer.json").string()));
}

/// Calls `visit` for every value of the document with its place.
void for_each_place(const Json& value, const Json::json_pointer& place,
                    const std::function<void(const Json::json_pointer&)>& visit) {
  visit(place);
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) for_each_place(member, place / key, visit);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) for_each_place(value[i], place / i, visit);
  }
}

TEST(TokenizerJson, WithAnyValueReplacedOrRemovedIsEitherRefusedOrUsable) {
  Json file = byte_tokenizer();
  Json vocabulary = Json::object();
  for (const char* token : {"a", "b", "Ġ"}) vocabulary[token] = vocabulary.size();
  file["model"]["vocab"] = vocabulary;
  add_merges(file, {{"a", "b"}, {"Ġ", "a"}});
  file["model"].update({{"unk_token", "a"}, {"fuse_unk", false}, {"ignore_merges", false}, {"dropout", 0}});
  add_token(file, "<end>", 5);
  file["normalizer"] = sequence("normalizers", {{{"type", "NFC"}}});
  file["pre_tokenizer"] =
      sequence("pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, kQwen2Split, kByteLevel});
  ASSERT_TRUE(parse(file));
  const std::vector<Json> replacements = {nullptr,
                                          true,
                                          false,
                                          -1,
                                          0,
                                          5,
                                          1e300,
                                          UINT64_MAX,
                                          "",
                                          "a",
                                          "b a",
                                          "é",
                                          Json::array(),
                                          Json::object(),
                                          Json::array({"a", "b"})};
  for_each_place(file, Json::json_pointer(), [&](const Json::json_pointer& place) {
    for (const Json& replacement : replacements) {
      Json changed = file;
      changed[place] = replacement;
      const auto tokenizer = parse(changed);
      if (tokenizer) {
        EXPECT_LE(tokenizer->decode(tokenizer->encode("ab <end> é 12"), true).size(), 40U);
      } else {
        EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalidModel) << place;
      }
    }
    if (place.empty()) return;
    Json changed = file;
    Json& parent = changed[place.parent_pointer()];
    if (!parent.is_object()) return;
    parent.erase(place.back());
    if (const auto tokenizer = parse(changed)) EXPECT_LE(tokenizer->encode("ab <end> é 12").size(), 20U);
  });
}

}  // namespace
}  // namespace fovea::text
