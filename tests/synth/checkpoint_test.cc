#include "synth/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/file.h"
#include "base/json.h"
#include "models/smolvlm/config.h"
#include "support/temporary_folder.h"
#include "synth/tokenizer.h"
#include "synth/weights.h"
#include "text/tokenizer.h"

namespace fovea::synth {
namespace {

using testing::HasSubstr;

const Preset& preset(const std::string& name) {
  return *std::ranges::find(kPresets, name, &Preset::name);
}

std::size_t parameters(const std::vector<TensorPlan>& plan) {
  std::size_t sum = 0;
  for (const TensorPlan& tensor : plan) sum += tensor.elements();
  return sum;
}

const TensorPlan& find(const std::vector<TensorPlan>& plan, const std::string& name) {
  const auto found = std::ranges::find(plan, name, &TensorPlan::name);
  EXPECT_NE(found, plan.end()) << name;
  return *found;
}

/// Root mean square of each row.
std::vector<float> row_sizes(const TensorPlan& plan, std::uint64_t seed) {
  const auto values = fill_tensor(plan, seed);
  const std::size_t columns = plan.elements() / plan.shape[0];
  std::vector<float> sizes;
  for (std::size_t row = 0; row < plan.shape[0]; ++row) {
    float sum = 0;
    for (std::size_t i = 0; i < columns; ++i) {
      const float value = tensor::to_float(values[row * columns + i]);
      sum += value * value;
    }
    sizes.push_back(std::sqrt(sum / static_cast<float>(columns)));
  }
  return sizes;
}

TEST(PlanTest, HasTheTensorsAndParametersOfThePublishedCheckpoints) {
  const auto large = plan_tensors(preset("smolvlm-500m"), false);
  EXPECT_EQ(large.size(), 489U);
  EXPECT_EQ(parameters(large), 507'482'304U);
  const auto small = plan_tensors(preset("smolvlm-256m"), false);
  EXPECT_EQ(small.size(), 471U);
  EXPECT_EQ(parameters(small), 256'484'928U);
}

TEST(PlanTest, OutliersMarkOneProjectionIntoEachResidualStreamAndChangeNoShape) {
  const auto plain = plan_tensors(preset("smolvlm-500m"), false);
  const auto outliers = plan_tensors(preset("smolvlm-500m"), true);
  ASSERT_EQ(plain.size(), outliers.size());
  std::vector<std::string> marked;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(plain[i].name, outliers[i].name);
    EXPECT_EQ(plain[i].shape, outliers[i].shape);
    EXPECT_FALSE(plain[i].large_rows);
    if (outliers[i].large_rows) marked.push_back(outliers[i].name);
  }
  EXPECT_THAT(marked, testing::ElementsAre("model.text_model.layers.1.mlp.down_proj.weight",
                                           "model.vision_model.encoder.layers.1.mlp.fc2.weight"));
}

TEST(FillTest, OutlierChannelsAreManyTimesAsLargeAsTheOthers) {
  const auto plan = plan_tensors(preset("smolvlm-256m"), true);
  for (const char* name : {"model.text_model.layers.1.mlp.down_proj.weight",
                           "model.vision_model.encoder.layers.1.mlp.fc2.weight"}) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      auto sizes = row_sizes(find(plan, name), seed);
      std::ranges::sort(sizes);
      const float median = sizes[sizes.size() / 2];
      EXPECT_GT(sizes[sizes.size() - kOutlierChannels], 30 * median) << name;
      EXPECT_LT(sizes[sizes.size() - kOutlierChannels - 1], 2 * median) << name;
      EXPECT_LT(sizes.back(), 60 * median) << name << ": no channel is enlarged twice";
    }
  }
}

TEST(FillTest, ValuesHaveTheMeanAndDeviationOfTheirPlan) {
  const auto plan = plan_tensors(preset("smolvlm-256m"), false);
  for (const TensorPlan* tensor : {&find(plan, "model.text_model.layers.0.mlp.up_proj.weight"),
                                   &find(plan, "model.text_model.layers.0.input_layernorm.weight"),
                                   &find(plan, "model.vision_model.embeddings.position_embedding.weight")}) {
    double sum = 0;
    double squares = 0;
    const auto values = fill_tensor(*tensor, 1);
    for (const auto value : values) {
      const auto number = static_cast<double>(tensor::to_float(value));
      sum += number;
      squares += number * number;
    }
    const auto n = static_cast<double>(values.size());
    const double deviation = std::sqrt(squares / n - sum / n * (sum / n));
    EXPECT_NEAR(sum / n, static_cast<double>(tensor->mean), 0.02) << tensor->name;
    EXPECT_NEAR(deviation / static_cast<double>(tensor->deviation), 1.0, 0.1) << tensor->name;
  }
}

TEST(FillTest, ASeedAlwaysGivesTheSameValuesAndAnotherSeedOthers) {
  const TensorPlan plan{.name = "x", .shape = {20, 30}, .deviation = 1.0F};
  const auto bits = [&](std::uint64_t seed) {
    std::vector<std::uint16_t> bits;
    for (const auto value : fill_tensor(plan, seed)) bits.push_back(value.bits);
    return bits;
  };
  EXPECT_EQ(bits(1), bits(1));
  EXPECT_NE(bits(1), bits(2));
}

class ConfigurationTest : public testing::TestWithParam<const char*> {};

TEST_P(ConfigurationTest, IsReadAsACheckpointOfTheRealShape) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_configuration({.preset = GetParam()}, folder.path()).has_value());
  const auto config = models::smolvlm::Config::load(folder.path());
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->text.num_hidden_layers, preset(GetParam()).layers);
  EXPECT_EQ(config->text.hidden_size, preset(GetParam()).hidden);
  EXPECT_EQ(config->text.head_dim, 64U);
  EXPECT_EQ(config->text.max_position_embeddings, 8192U);
  EXPECT_FLOAT_EQ(config->text.rope_theta, 100000.0F);
  EXPECT_EQ(config->tokens_per_frame(), 64U);
  EXPECT_EQ(config->tiling.longest_edge, 2048);
  EXPECT_EQ(config->tiling.tile_size, 512);
  EXPECT_EQ(config->image_token_id, 49190);
  EXPECT_THAT(config->eos_token_ids, testing::ElementsAre(49279));
  EXPECT_FALSE(config->tie_word_embeddings);
  // The older layout, as the published files have it.
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "preprocessor_config.json"));
  const auto json = read_json_file(folder.path() / "config.json").value();
  EXPECT_TRUE(json["text_config"].contains("rope_theta"));
  EXPECT_FALSE(json["text_config"].contains("rope_parameters"));
}

INSTANTIATE_TEST_SUITE_P(Presets, ConfigurationTest, testing::Values("smolvlm-500m", "smolvlm-256m"),
                         [](const auto& info) { return std::string(info.param).substr(8); });

TEST(RandomTokenizerTest, LoadsWithTheRealSizesAndMarkers) {
  const std::string text = random_tokenizer_json(1);
  const auto json = parse_json(text, "tokenizer.json");
  ASSERT_TRUE(json.has_value()) << json.error().message;
  EXPECT_EQ((*json)["model"]["merges"].size(), 48'900U);
  const auto tokenizer = text::Tokenizer::parse(text, "tokenizer.json");
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->size(), 49'280);
  EXPECT_EQ(tokenizer->token_to_id("<|im_start|>"), 1);
  EXPECT_EQ(tokenizer->token_to_id("<global-img>"), 49'152);
  EXPECT_EQ(tokenizer->token_to_id("<row_6_col_6>"), 49'188);
  EXPECT_EQ(tokenizer->token_to_id("<fake_token_around_image>"), 49'189);
  EXPECT_EQ(tokenizer->token_to_id("<image>"), 49'190);
  EXPECT_EQ(tokenizer->token_to_id("<end_of_utterance>"), 49'279);
  const std::string sample = "Read this trading card. Answer in JSON.\n";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(sample), false), sample);
}

TEST(RandomTokenizerTest, ASeedAlwaysGivesTheSameAndAnotherSeedAnother) {
  const std::string first = random_tokenizer_json(7);
  EXPECT_EQ(random_tokenizer_json(7), first);
  EXPECT_NE(random_tokenizer_json(8), first);
}

TEST(WriteCheckpointTest, RefusesAFolderThatHoldsSomething) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder.path() / "precious.txt", "keep").has_value());
  const auto written = write_checkpoint({.preset = "smolvlm-256m"}, folder.path(), {});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kUsage);
  EXPECT_THAT(written.error().message, HasSubstr("empty directory"));
  EXPECT_EQ(read_file(folder.path() / "precious.txt").value(), "keep");
}

TEST(WriteCheckpointTest, RefusesAnUnknownPresetBeforeItTouchesTheDisk) {
  const test::TemporaryFolder folder;
  const auto written = write_checkpoint({.preset = "smolvlm-7b"}, folder.path() / "new", {});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kUsage);
  EXPECT_THAT(written.error().message, HasSubstr("smolvlm-500m"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "new"));
}

TEST(WriteCheckpointTest, AFileInTheDirectorysPlaceIsAnError) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder.path() / "file", "x").has_value());
  const auto written = write_checkpoint({.preset = "smolvlm-256m"}, folder.path() / "file", {});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace fovea::synth
