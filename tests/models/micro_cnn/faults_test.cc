#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "compress/micro_cnn_quantize.h"
#include "models/micro_cnn/integer_checkpoint.h"
#include "models/micro_cnn/model.h"
#include "support/checkpoint_copy.h"
#include "support/micro_cnn.h"

namespace fovea::models::micro_cnn {
namespace {

using test::CheckpointCopy;
using testing::HasSubstr;
using Json = nlohmann::json;

class FaultsTest : public testing::Test {
 protected:
  /// The copy must be refused with a message that holds this text.
  void expect_refused(const CheckpointCopy& copy, const std::string& text) const {
    const auto loaded = Model::load(copy.folder());
    ASSERT_FALSE(loaded.has_value()) << text;
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidModel) << loaded.error().message;
    EXPECT_THAT(loaded.error().message, HasSubstr(text));
  }
  void expect_config_refused(const std::string& golden, const std::function<void(Json&)>& edit,
                             const std::string& text) const {
    const CheckpointCopy copy("micro-cnn/" + golden);
    copy.edit("config.json", edit);
    expect_refused(copy, text);
  }
};

TEST_F(FaultsTest, AConfigurationThatIsNoneOfTheFamilyIsNamed) {
  const auto set = [](const char* key, const Json& value) {
    return [key, value](Json& json) { json[key] = value; };
  };
  expect_config_refused("v1", set("model_type", "resnet"), "model_type is \"resnet\"");
  expect_config_refused("v1", set("block", "dense"), "block is \"dense\"");
  expect_config_refused("v1", set("activation", "gelu"), "activation is \"gelu\"");
  expect_config_refused("v1", set("image_size", 12), "image_size");
  expect_config_refused("v1", set("num_channels", 1), "num_channels");
  expect_config_refused("v1", set("stem_channels", 0), "stem_channels");
  expect_config_refused("v1", set("stem_channels", 513), "stem_channels");
  expect_config_refused("v1", set("block_channels", Json::array()), "block_channels has 0 blocks");
  expect_config_refused("v1", set("block_channels", {16, -1}), "block_channels is");
  expect_config_refused("v1", set("block_channels", Json::array({8, 8, 8, 8, 8})), "leaves nothing");
  expect_config_refused("v1", set("block_channels", 16), "block_channels is 16");
  expect_config_refused("v1", set("hidden_channels", {48}), "hidden_channels has 1 counts, expected 0");
  expect_config_refused(
      "v2", [](Json& json) { json.erase("hidden_channels"); }, "hidden_channels has 0 counts");
  expect_config_refused("se4", set("squeeze_channels", {2}), "squeeze_channels has 1 counts, expected 2");
  expect_config_refused("v1", set("norm_eps", 0), "norm_eps");
  expect_config_refused("v1", set("temperature", 0), "temperature");
  expect_config_refused("v1", [](Json& json) { json.erase("id2label"); }, "id2label");
  expect_config_refused("v1", set("id2label", {{"0", "a"}, {"2", "b"}}), "no label \"1\"");
  expect_config_refused("v1", set("id2label", {{"0", "a"}, {"1", "a"}}), "names \"a\" twice");
  expect_config_refused("v1", set("quantization_config", {{"quant_method", "other"}}), "quant_method");
  expect_config_refused("v1", set("quantization_config", {{"weights", "int3"}}), "weights is \"int3\"");
}

TEST_F(FaultsTest, AnotherPreparationOfPicturesIsRefused) {
  for (const auto& [key, value] : {std::pair<const char*, Json>{"resample", "bicubic"},
                                   {"crop", "none"},
                                   {"size", 64},
                                   {"offset", 0},
                                   {"scale", 1.0}}) {
    const CheckpointCopy copy("micro-cnn/v1");
    copy.edit("preprocessor_config.json", [&](Json& json) { json[key] = value; });
    expect_refused(copy, key);
  }
  const CheckpointCopy copy("micro-cnn/v1");
  copy.remove("preprocessor_config.json");
  EXPECT_EQ(Model::load(copy.folder()).error().code, ErrorCode::kNotFound);
}

TEST_F(FaultsTest, ATensorThatIsMissingOrWrongIsNamed) {
  for (const char* name :
       {"block1.0.weight", "block1.1.running_var", "block2.3.weight", "classifier.2.bias"}) {
    const CheckpointCopy missing("micro-cnn/v1");
    missing.edit_tensors([&](std::vector<CheckpointCopy::Tensor>& tensors) {
      std::erase_if(tensors, [&](const CheckpointCopy::Tensor& tensor) { return tensor.name == name; });
    });
    expect_refused(missing, std::string("no tensor ") + name);

    const CheckpointCopy turned("micro-cnn/v1");
    turned.edit_tensor(name,
                       [](CheckpointCopy::Tensor& tensor) { tensor.shape.insert(tensor.shape.begin(), 1); });
    expect_refused(turned, name);

    const CheckpointCopy infinite("micro-cnn/v1");
    infinite.edit_tensor(
        name, [](CheckpointCopy::Tensor& tensor) { tensor.fill(std::numeric_limits<float>::infinity()); });
    expect_refused(infinite, "inf");
  }
  const CheckpointCopy negative("micro-cnn/v1");
  negative.edit_tensor("block1.1.running_var", [](CheckpointCopy::Tensor& tensor) { tensor.fill(-1.0F); });
  expect_refused(negative, "no negative variance");
}

/// A quantised copy of a reference network.
class QuantisedFaultsTest : public FaultsTest {
 protected:
  static void make(const CheckpointCopy& copy, WeightType weights) {
    const auto floats = Model::load(copy.folder()).value();
    const std::int32_t most = weights == WeightType::kInt4 ? kMostInt4 : kMostSigned;
    const auto network =
        compress::quantize_network(floats->float_network()->layers(), test::seeded_pictures(8), most);
    ASSERT_TRUE(write_integers(copy.path("model.safetensors"), network, weights).has_value());
    copy.edit("config.json", [&](Json& json) {
      json["quantization_config"] = {
          {"quant_method", "fovea"}, {"version", 1}, {"weights", weight_type_name(weights)}};
    });
  }
  void expect_tensor_refused(WeightType weights, const std::string& name, char byte,
                             const std::string& text) const {
    const CheckpointCopy copy("micro-cnn/se4");
    make(copy, weights);
    ASSERT_TRUE(Model::load(copy.folder()).has_value());
    copy.edit_tensor(name, [&](CheckpointCopy::Tensor& tensor) { std::ranges::fill(tensor.bytes, byte); });
    expect_refused(copy, text);
  }
};

TEST_F(QuantisedFaultsTest, NumbersOutsideTheirRangeAreRefused) {
  const auto int8 = WeightType::kInt8;
  expect_tensor_refused(int8, "block1.0.weight", '\x80', "block1.0.weight holds -128");
  expect_tensor_refused(int8, "block1.0.bias", '\x7F', "block1.0.bias holds 2139062143");
  expect_tensor_refused(int8, "block2.3.multiplier", '\x01', "block2.3.multiplier holds 16843009");
  expect_tensor_refused(int8, "block2.3.multiplier", '\xFF', "block2.3.multiplier holds -1");
  expect_tensor_refused(int8, "block2.3.shift", '\x00', "block2.3.shift holds 0");
  expect_tensor_refused(int8, "block2.3.shift", '\x3F', "block2.3.shift holds 63");
  expect_tensor_refused(int8, "block1.se.gate_shift", '\x40', "block1.se.gate_shift holds 64");
  expect_tensor_refused(int8, "block1.se.2.weight", '\x80', "block1.se.2.weight holds -128");
  expect_tensor_refused(int8, "classifier.2.weight_scale", '\x00', "classifier.2.weight_scale holds 0");
  expect_tensor_refused(WeightType::kInt4, "block1.0.weight_int4", '\x88', "block1.0.weight_int4 holds -8");
  expect_tensor_refused(WeightType::kInt4, "block1.0.weight_int4", '\x77', "zero at an odd row's end");
}

TEST_F(QuantisedFaultsTest, WeightsOfTheOtherTypeAreMissed) {
  const CheckpointCopy copy("micro-cnn/v1");
  make(copy, WeightType::kInt4);
  copy.edit("config.json", [](Json& json) { json["quantization_config"]["weights"] = "int8"; });
  expect_refused(copy, "no tensor block1.0.weight");
}

TEST_F(QuantisedFaultsTest, WhatIsWrittenIsReadBackTheSame) {
  for (const WeightType weights : {WeightType::kInt8, WeightType::kInt4}) {
    const CheckpointCopy copy("micro-cnn/v2-odd");
    const auto floats = Model::load(copy.folder()).value();
    const auto network =
        compress::quantize_network(floats->float_network()->layers(), test::seeded_pictures(8),
                                   weights == WeightType::kInt4 ? kMostInt4 : kMostSigned);
    make(copy, weights);
    const auto read = Model::load(copy.folder()).value();
    ASSERT_NE(read->integer_network(), nullptr);
    for (const auto& picture : test::seeded_pictures(20, 3)) {
      EXPECT_EQ(read->integer_network()->run(picture), network.run(picture));
    }
  }
}

TEST(FixedPoint, RescalesToTheNearestAwayFromZero) {
  const Rescale half = to_rescale(0.5);
  EXPECT_EQ(rescale(5, half, 1000), 3);
  EXPECT_EQ(rescale(-5, half, 1000), -3);
  EXPECT_EQ(rescale(4, half, 1000), 2);
  EXPECT_EQ(rescale(1'000'000, half, 255), 255);
  EXPECT_EQ(rescale(std::numeric_limits<std::int32_t>::min(), to_rescale(1.0), kMostLogit), -kMostLogit);
  for (const double factor : {1e-9, 0.001, 0.999999999999, 1.0, 3.7, 1e8}) {
    const Rescale found = to_rescale(factor);
    EXPECT_GE(found.multiplier, Rescale::kLeastMultiplier);
    EXPECT_NEAR(found.multiplier * std::pow(2.0, -found.shift), factor, factor * 1e-9);
  }
  EXPECT_GE(to_rescale(0.0).shift, Rescale::kLeastShift);
  EXPECT_LE(to_rescale(0.0).shift, Rescale::kMostShift);
  EXPECT_GE(to_rescale(1e30).shift, Rescale::kLeastShift);
}

TEST(FixedPoint, SoftmaxFollowsTheRealOne) {
  for (const float temperature : {0.5F, 1.0F, 2.5F}) {
    const std::vector<std::int32_t> logits = {3000, -12'000, 4100, 4095, 0};
    double sum = 0;
    for (const std::int32_t logit : logits) sum += std::exp(logit / 1024.0 / temperature);
    const auto found = fixed_softmax(logits, inverse_temperature(temperature));
    for (std::size_t i = 0; i < logits.size(); ++i) {
      EXPECT_NEAR(found[i] / 32768.0, std::exp(logits[i] / 1024.0 / temperature) / sum, 3e-4);
    }
  }
  EXPECT_THAT(
      fixed_softmax(std::vector<std::int32_t>{kMostLogit, -kMostLogit}, inverse_temperature(1.0F / 64)),
      testing::ElementsAre(32768, 0));
}

}  // namespace
}  // namespace fovea::models::micro_cnn
