#include "models/smolvlm/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/checkpoint_copy.h"

// What a configuration's spelling means; what is refused stands in config_faults_test.cc.

namespace fovea::models::smolvlm {
namespace {

using test::CheckpointCopy;
using testing::ElementsAre;

Config load(const CheckpointCopy& checkpoint) {
  auto config = Config::load(checkpoint.folder());
  EXPECT_TRUE(config.has_value()) << config.error().message;
  return config.value_or(Config{});
}

TEST(ConfigTest, ReadsTheNewerLayout) {
  const Config config = load(CheckpointCopy("smolvlm-tiny-f32"));
  EXPECT_EQ(config.vision.hidden_size, 64U);
  EXPECT_EQ(config.vision.patches(), 64U);
  EXPECT_EQ(config.text.head_dim, 16U);
  EXPECT_EQ(config.text.num_key_value_heads, 2U);
  EXPECT_FLOAT_EQ(config.text.rope_theta, 100000.0F);
  EXPECT_FLOAT_EQ(config.text.rms_norm_eps, 1e-5F);
  EXPECT_EQ(config.scale_factor, 4U);
  EXPECT_EQ(config.tokens_per_frame(), 4U);
  EXPECT_EQ(config.image_token_id, 8);
  EXPECT_EQ(config.tiling.tile_size, 128);
  EXPECT_EQ(config.tiling.longest_edge, 512);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(9));
}

TEST(ConfigTest, ReadsTheOlderLayoutAndDerivesWhatItLeavesOut) {
  const Config config = load(CheckpointCopy("smolvlm-tiny-older-f16"));
  EXPECT_FLOAT_EQ(config.text.rope_theta, 273768.0F);
  EXPECT_EQ(config.text.num_key_value_heads, 4U);  // as many as attention heads
  EXPECT_EQ(config.text.head_dim, 20U);            // hidden_size / heads
  EXPECT_EQ(config.vision.patches(), 36U);         // 86 / 14, rounded down, squared
  EXPECT_EQ(config.tiling.longest_edge, 344);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(9, 2));
}

TEST(ConfigTest, AbsentAndNullKeysTakeTheReferencesClassDefaults) {
  const CheckpointCopy checkpoint;
  for (const bool null : {false, true}) {
    checkpoint.edit("config.json", [&](auto& json) {
      for (const char* key : {"layer_norm_eps", "num_channels", "hidden_act", "intermediate_size"}) {
        if (null) {
          json["vision_config"][key] = nullptr;
        } else {
          json["vision_config"].erase(key);
        }
      }
      for (const char* key : {"rms_norm_eps", "hidden_act", "attention_bias", "mlp_bias", "model_type",
                              "num_key_value_heads", "rope_parameters"}) {
        if (null) {
          json["text_config"][key] = nullptr;
        } else {
          json["text_config"].erase(key);
        }
      }
      json.erase("tie_word_embeddings");
    });
    const Config config = load(checkpoint);
    EXPECT_FLOAT_EQ(config.vision.layer_norm_eps, 1e-6F);
    EXPECT_EQ(config.vision.intermediate_size, 3072U);
    EXPECT_FLOAT_EQ(config.text.rms_norm_eps, 1e-6F);
    EXPECT_FLOAT_EQ(config.text.rope_theta, 10000.0F);
    EXPECT_EQ(config.text.num_key_value_heads, 6U);
    EXPECT_FALSE(config.text.attention_bias);
    EXPECT_FALSE(config.tie_word_embeddings);
  }
}

TEST(ConfigTest, RopeThetaIsReadInEverySpelling) {
  using Json = CheckpointCopy::Json;
  const std::vector<Json> spellings{
      {{"rope_theta", 5000}},
      {{"rope_theta", 5000.0}, {"rope_scaling", nullptr}},
      {{"rope_parameters", {{"rope_theta", 5000}}}},
      {{"rope_parameters", {{"rope_theta", 5000}, {"rope_type", "default"}}}, {"rope_theta", 7}},
      {{"rope_theta", 5000}, {"rope_scaling", {{"type", "default"}}}},
  };
  for (const Json& spelling : spellings) {
    const CheckpointCopy checkpoint;
    checkpoint.edit("config.json", [&](Json& json) {
      json["text_config"].erase("rope_parameters");
      json["text_config"].update(spelling);
    });
    EXPECT_FLOAT_EQ(load(checkpoint).text.rope_theta, 5000.0F) << spelling;
  }
}

TEST(ConfigTest, TheHeadIsTiedWhenTheConfigurationSaysSo) {
  EXPECT_FALSE(load(CheckpointCopy("smolvlm-tiny-f32")).tie_word_embeddings);
  EXPECT_TRUE(load(CheckpointCopy("smolvlm-tiny-bf16-tied")).tie_word_embeddings);
}

TEST(ConfigTest, ThePaddingTokenOutsideTheVocabularyIsIgnored) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("config.json", [](auto& json) { json["pad_token_id"] = 128002; });
  load(checkpoint);
}

TEST(ConfigTest, EndOfSequenceIsWhatGenerationConfigThenTheTokenizerThenConfigSays) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("generation_config.json", [](auto& json) { json["eos_token_id"] = {9, 2, 0}; });
  EXPECT_THAT(load(checkpoint).eos_token_ids, ElementsAre(9, 2, 0));

  checkpoint.edit("config.json", [](auto& json) { json["text_config"]["eos_token_id"] = 5; });
  checkpoint.edit("tokenizer_config.json", [](auto& json) { json["eos_token"] = "<|im_end|>"; });
  checkpoint.edit("generation_config.json", [](auto& json) { json["eos_token_id"] = nullptr; });
  EXPECT_THAT(load(checkpoint).eos_token_ids, ElementsAre(2));

  checkpoint.remove("generation_config.json");
  EXPECT_THAT(load(checkpoint).eos_token_ids, ElementsAre(2));

  checkpoint.remove("tokenizer_config.json");
  EXPECT_THAT(load(checkpoint).eos_token_ids, ElementsAre(5));
}

TEST(ConfigTest, AnEmptyEndOfSequenceListIsAsGoodAsNone) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("generation_config.json",
                  [](auto& json) { json["eos_token_id"] = CheckpointCopy::Json::array(); });
  EXPECT_THAT(load(checkpoint).eos_token_ids, ElementsAre(9));
}

TEST(ConfigTest, TheTokenizersEndOfSequenceTokenMayBeAnObjectAsOlderFilesHaveIt) {
  const CheckpointCopy checkpoint;
  checkpoint.remove("generation_config.json");
  checkpoint.edit("tokenizer_config.json", [](auto& json) {
    json["eos_token"] = {{"__type", "AddedToken"}, {"content", "<|im_end|>"}, {"lstrip", false}};
  });
  EXPECT_THAT(load(checkpoint).eos_token_ids, ElementsAre(2));
}

TEST(ConfigTest, AProcessorWithoutATileSizeTakesTheTowers) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("processor_config.json",
                  [](auto& json) { json["image_processor"].erase("max_image_size"); });
  EXPECT_EQ(load(checkpoint).tiling.tile_size, 128);
}

TEST(ConfigTest, SmolVlm2IsReadLikeIdefics3) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("config.json", [](auto& json) {
    json["model_type"] = "smolvlm";
    json["architectures"] = {"SmolVLMForConditionalGeneration"};
    json["vision_config"]["model_type"] = "smolvlm_vision";
  });
  load(checkpoint);
}

}  // namespace
}  // namespace fovea::models::smolvlm
