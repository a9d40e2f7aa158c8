#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/generator.h"
#include "support/checkpoint_copy.h"

// Configuration files that are wrong: each is refused with the file and the reason.

namespace fovea::models::smolvlm {
namespace {

using test::CheckpointCopy;
using testing::AllOf;
using testing::HasSubstr;
using Json = CheckpointCopy::Json;

void expect_refused(const CheckpointCopy& checkpoint, const std::string& file, const std::string& reason,
                    ErrorCode code = ErrorCode::kInvalidModel) {
  const auto opened = engine::Generator::open(checkpoint.folder(), {.model = {}, .threads = 1});
  ASSERT_FALSE(opened.has_value()) << file << " should be refused: " << reason;
  EXPECT_EQ(error_name(opened.error().code), std::string(error_name(code))) << opened.error().message;
  EXPECT_THAT(opened.error().message, AllOf(HasSubstr(file), HasSubstr(reason)));
  EXPECT_LT(opened.error().message.size(), 600U) << "a message is for people";
}

TEST(ConfigFaultsTest, MissingFilesAreNamed) {
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
    const CheckpointCopy checkpoint;
    checkpoint.remove(name);
    expect_refused(checkpoint, name, "No such file", ErrorCode::kNotFound);
  }
}

TEST(ConfigFaultsTest, AMissingImageProcessorNamesTheFileThatCouldHoldIt) {
  const CheckpointCopy checkpoint;
  checkpoint.remove("processor_config.json");
  expect_refused(checkpoint, "preprocessor_config.json", "No such file", ErrorCode::kNotFound);
}

TEST(ConfigFaultsTest, FilesThatAreNoJsonAreDamagedCheckpoints) {
  const std::string deep(100'000, '[');
  for (const char* name : {"config.json", "processor_config.json", "generation_config.json",
                           "tokenizer_config.json", "tokenizer.json"}) {
    for (const auto& [text, reason] :
         std::vector<std::pair<std::string, std::string>>{{"", "not valid JSON"},
                                                          {"{\"a\":", "not valid JSON"},
                                                          {"{\"a\": NaN}", "not valid JSON"},
                                                          {"{\"a\": 1, \"a\": 2}", "stands twice"},
                                                          {deep, "nested deeper"},
                                                          {"{\"a\": \"\xFF\"}", "not valid JSON"}}) {
      const CheckpointCopy checkpoint;
      if (std::string(name) == "tokenizer_config.json") checkpoint.remove("generation_config.json");
      checkpoint.write(name, text);
      expect_refused(checkpoint, name, reason);
    }
  }
}

TEST(ConfigFaultsTest, FilesThatAreNoObjectsAreRefused) {
  for (const char* name : {"config.json", "processor_config.json"}) {
    for (const char* text : {"[]", "7", "null", "\"text\""}) {
      const CheckpointCopy checkpoint;
      checkpoint.write(name, text);
      expect_refused(checkpoint, name, "expected an object");
    }
  }
}

TEST(ConfigFaultsTest, UnknownArchitecturesAreNamed) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("config.json", [](Json& json) { json["model_type"] = "paligemma"; });
  expect_refused(checkpoint, "config.json", "\"paligemma\"");
  checkpoint.edit("config.json", [](Json& json) { json.erase("model_type"); });
  expect_refused(checkpoint, "config.json", "model_type");
  checkpoint.edit("config.json", [](Json& json) { json["model_type"] = 7; });
  expect_refused(checkpoint, "config.json", "model_type");
  checkpoint.edit("config.json", [](Json& json) {
    json["model_type"] = "idefics3";
    json["architectures"] = {"Idefics3ForSequenceClassification"};
  });
  expect_refused(checkpoint, "config.json", "Idefics3ForSequenceClassification");
}

/// One key of config.json set to a value that must be refused, with the reason.
struct Fault {
  const char* pointer;
  Json value;
  std::string reason;
};

void expect_each_refused(const std::vector<Fault>& faults, const std::string& file = "config.json") {
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.pointer);
    SCOPED_TRACE(fault.value.dump().substr(0, 60));
    const CheckpointCopy checkpoint;
    checkpoint.edit(file, [&](Json& json) { json[Json::json_pointer(fault.pointer)] = fault.value; });
    expect_refused(checkpoint, file, fault.reason);
  }
}

TEST(ConfigFaultsTest, WhatWouldChangeTheComputationIsRefused) {
  expect_each_refused({{"/vision_config/hidden_act", "gelu", "hidden_act"},
                       {"/text_config/hidden_act", "gelu", "hidden_act"},
                       {"/text_config/model_type", "mistral", "model_type"},
                       {"/text_config/rope_parameters/rope_type", "llama3", "rope_type"},
                       {"/text_config/rope_scaling", {{"rope_type", "llama3"}, {"factor", 8}}, "rope_type"},
                       {"/text_config/rope_scaling", {{"type", "linear"}, {"factor", 2}}, "type"}});
}

TEST(ConfigFaultsTest, SizesThatDoNotFitEachOtherAreRefused) {
  expect_each_refused({{"/vision_config/num_attention_heads", 5, "multiple of num_attention_heads"},
                       {"/vision_config/patch_size", 256, "patch_size is larger"},
                       {"/scale_factor", 3, "scale_factor 3"},
                       {"/text_config/num_key_value_heads", 4, "multiple of num_key_value_heads"},
                       {"/text_config/head_dim", 15, "head_dim must be even"},
                       {"/image_token_id", 900, "outside the vocabulary of 900"}});
  expect_each_refused({{"/image_processor/max_image_size/longest_edge", 64,
                        "frames of 64 pixels, the vision tower takes 128"},
                       {"/image_seq_len", 16, "image_seq_len is 16"}},
                      "processor_config.json");
}

TEST(ConfigFaultsTest, ValuesOfAnotherTypeAreRefused) {
  expect_each_refused(
      {{"/vision_config", 7, "vision_config"},
       {"/text_config", Json::array(), "text_config"},
       {"/text_config/hidden_size", "96", "hidden_size"},
       {"/text_config/hidden_size", 96.5, "hidden_size"},
       {"/text_config/hidden_size", true, "hidden_size"},
       {"/text_config/attention_bias", 1, "attention_bias"},
       {"/text_config/rope_parameters", "default", "rope_parameters"},
       {"/text_config/rope_parameters/rope_theta", "1e5", "rope_theta"},
       {"/tie_word_embeddings", "no", "tie_word_embeddings"},
       {"/image_token_id", "8", "image_token_id"},
       {"/text_config/hidden_size", Json::object({{"a", std::string(5000, 'x')}}), "hidden_size"},
       {"/text_config/hidden_size", std::string(59, 'x') + "ééé", "hidden_size"}});
}

TEST(ConfigFaultsTest, NegativeZeroAndHugeNumbersAreRefused) {
  const std::uint64_t huge = std::uint64_t{1} << 62;
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings"}) {
    const std::string pointer = std::string("/text_config/") + key;
    expect_each_refused(
        {{pointer.c_str(), 0, key}, {pointer.c_str(), -1, key}, {pointer.c_str(), huge, key}});
  }
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "image_size", "patch_size"}) {
    const std::string pointer = std::string("/vision_config/") + key;
    expect_each_refused(
        {{pointer.c_str(), 0, key}, {pointer.c_str(), -1, key}, {pointer.c_str(), huge, key}});
  }
  expect_each_refused({{"/scale_factor", 0, "scale_factor"},
                       {"/image_token_id", -1, "image_token_id"},
                       {"/text_config/rms_norm_eps", -1e-5, "rms_norm_eps"},
                       {"/text_config/rms_norm_eps", 1e300, "rms_norm_eps"},
                       {"/vision_config/layer_norm_eps", -1, "layer_norm_eps"},
                       {"/text_config/rope_parameters/rope_theta", 0, "rope_theta"},
                       {"/text_config/rope_parameters/rope_theta", -100000.0, "rope_theta"}});
}

TEST(ConfigFaultsTest, EndOfSequenceIdsMustBeTokenIds) {
  expect_each_refused({{"/eos_token_id", -1, "eos_token_id"},
                       {"/eos_token_id", "9", "eos_token_id"},
                       {"/eos_token_id", 9.5, "eos_token_id"},
                       {"/eos_token_id", Json::array({9, nullptr}), "eos_token_id"},
                       {"/eos_token_id", std::uint64_t{1} << 40, "eos_token_id"}},
                      "generation_config.json");
}

TEST(ConfigFaultsTest, WithoutAnyEndOfSequenceTokenThereIsNoEnd) {
  const CheckpointCopy checkpoint;
  checkpoint.remove("generation_config.json");
  checkpoint.remove("tokenizer_config.json");
  checkpoint.edit("config.json", [](Json& json) { json["text_config"].erase("eos_token_id"); });
  expect_refused(checkpoint, "generation_config.json", "end-of-sequence");
}

TEST(ConfigFaultsTest, ATokenizerLargerThanTheVocabularyIsRefused) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("tokenizer.json", [](Json& json) {
    Json token = json["added_tokens"][0];
    token["id"] = 900;
    token["content"] = "<one too many>";
    json["added_tokens"].push_back(token);
  });
  expect_refused(checkpoint, "tokenizer.json", "vocab_size 900");
}

TEST(ConfigFaultsTest, ATokenizerWhoseImageTokenIsAnotherFailsTheQuestionNotTheProgram) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("config.json", [](Json& json) { json["image_token_id"] = 7; });
  auto generator = engine::Generator::open(checkpoint.folder(), {.model = {}, .threads = 1});
  ASSERT_TRUE(generator.has_value()) << generator.error().message;
  const image::Image picture{.width = 2, .height = 2, .rgb = std::vector<std::uint8_t>(12, 128)};
  const auto answer = (*generator)->generate({&picture, 1}, "What?", {.max_new_tokens = 2});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidModel);
  EXPECT_THAT(answer.error().message, HasSubstr("image_token_id 7"));
}

}  // namespace
}  // namespace fovea::models::smolvlm
