#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "cli/program.h"
#include "kernels/kernels.h"
#include "support/checkpoint_copy.h"

namespace fovea::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

std::vector<std::string> generate(std::vector<std::string> more) {
  std::vector<std::string> arguments{"generate", "--model", tiny_model().string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// A run on the reference's first short case, with its answer.
class GenerateTest : public testing::Test {
 protected:
  GenerateTest() {
    for (const auto& item : golden_.cases()) {
      if (item["image"] == "images/2_90x70_RGBA.png") {
        case_ = item;
        break;
      }
    }
  }
  [[nodiscard]] std::vector<std::string> arguments(std::vector<std::string> more) const {
    more.insert(more.begin(), {"--image", (golden_.folder() / case_["image"].get<std::string>()).string(),
                               "--prompt", case_["prompt"].get<std::string>()});
    return generate(std::move(more));
  }
  [[nodiscard]] std::vector<std::int32_t> reference(std::size_t tokens) const {
    auto ids = golden_.values<std::int32_t>("c" + case_["i"].dump() + ".generated");
    ids.resize(tokens);
    return ids;
  }

  test::Golden golden_{"smolvlm-tiny-f32"};
  nlohmann::json case_;
};

TEST_F(GenerateTest, PrintsTheContractsObjectAndNothingElse) {
  const auto done = run(arguments({"--max-new-tokens", "6", "--ignore-eos", "--json"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  EXPECT_TRUE(done.out.ends_with("}\n"));
  const Json json = Json::parse(done.out);
  EXPECT_THAT(keys(json), ElementsAre("prompt_tokens", "token_ids", "text", "finish_reason", "timings"));
  EXPECT_EQ(json["prompt_tokens"],
            golden_.values<std::int32_t>("c" + case_["i"].dump() + ".input_ids").size());
  EXPECT_EQ(json["token_ids"].get<std::vector<std::int32_t>>(), reference(6));
  EXPECT_TRUE(json["text"].is_string());
  EXPECT_EQ(json["finish_reason"], "length");
  EXPECT_THAT(keys(json["timings"]),
              ElementsAre("load_ms", "image_ms", "vision_ms", "prefill_ms", "decode_ms", "total_ms"));
  double sum = 0;
  for (const auto& [name, value] : json["timings"].items()) {
    ASSERT_TRUE(value.is_number()) << name;
    EXPECT_GE(value.get<double>(), 0) << name;
    if (name != "total_ms") sum += value.get<double>();
  }
  EXPECT_NEAR(json["timings"]["total_ms"].get<double>(), sum, 1e-6);
}

TEST_F(GenerateTest, PrintsTheTextWithoutJson) {
  const auto text = run(arguments({"--max-new-tokens", "6", "--ignore-eos"}));
  const auto json = run(arguments({"--max-new-tokens", "6", "--ignore-eos", "--json"}));
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out, Json::parse(json.out)["text"].get<std::string>() + "\n");
}

TEST_F(GenerateTest, EveryInstructionSetAndThreadCountGivesTheReferencesTokens) {
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    for (const char* threads : {"1", "3"}) {
      const auto done =
          run(arguments({"--max-new-tokens", "4", "--ignore-eos", "--threads", threads, "--json"}),
              {.input = "", .environment = {{"FOVEA_ISA", kernels->isa}}});
      ASSERT_EQ(done.exit_code, 0) << kernels->isa << done.err;
      EXPECT_EQ(Json::parse(done.out)["token_ids"].get<std::vector<std::int32_t>>(), reference(4))
          << kernels->isa;
    }
  }
}

TEST_F(GenerateTest, DumpHoldsPixelsFeaturesAndLogits) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "dump.safetensors";
  const auto done = run(arguments({"--max-new-tokens", "1", "--dump", path.string(), "--json"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const auto dump = tensor::SafeTensors::open(path);
  ASSERT_TRUE(dump.has_value()) << dump.error().message;
  EXPECT_EQ(dump->tensors().size(), 3U);
  const auto shape = [&](const char* name) { return dump->find(name)->shape; };
  const auto pixels = shape("pixel_values");
  ASSERT_EQ(pixels.size(), 4U);
  const std::size_t frames = pixels[0];
  EXPECT_THAT(pixels, ElementsAre(frames, 3, 128, 128));
  EXPECT_THAT(shape("image_features"), ElementsAre(frames, 4, 96));
  EXPECT_THAT(shape("logits"), ElementsAre(Json::parse(done.out)["prompt_tokens"].get<std::size_t>(), 900));
  for (const auto& [name, tensor] : dump->tensors()) EXPECT_EQ(tensor.dtype, tensor::DType::kF32) << name;
}

TEST_F(GenerateTest, ADumpThatCannotBeWrittenIsAnError) {
  for (const char* path : {"/dev/full", "/nonexistent/folder/dump.safetensors"}) {
    const auto done = run(arguments({"--max-new-tokens", "1", "--dump", path, "--json"}));
    EXPECT_EQ(done.exit_code, 1) << path;
    EXPECT_THAT(done.err, HasSubstr(path));
    EXPECT_EQ(done.out, "");
  }
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full")) << "a device is not replaced by a file";
}

TEST_F(GenerateTest, TheModelAndItsTypeMayComeFromTheEnvironment) {
  std::vector<std::string> without_model = arguments({"--max-new-tokens", "2", "--ignore-eos", "--json"});
  without_model.erase(without_model.begin() + 1, without_model.begin() + 3);
  const auto done = run(without_model, {.input = "",
                                        .environment = {{"FOVEA_MODEL", tiny_model().string()},
                                                        {"FOVEA_DTYPE", "f32"},
                                                        {"FOVEA_THREADS", "2"}}});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(Json::parse(done.out)["token_ids"].get<std::vector<std::int32_t>>(), reference(2));
  // What the command line says goes before.
  const auto other = run(arguments({"--max-new-tokens", "2", "--ignore-eos", "--json"}),
                         {.input = "", .environment = {{"FOVEA_MODEL", "/nonexistent"}}});
  EXPECT_EQ(other.exit_code, 0) << other.err;
}

TEST_F(GenerateTest, KeysAndValuesInInt8GoWithNarrowWeightsOnly) {
  const Environment asked{{"FOVEA_KV_CACHE", "int8"}};
  const auto done = run(arguments({"--max-new-tokens", "2", "--ignore-eos", "--dtype", "int8"}),
                        {.input = "", .environment = asked});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const auto refused =
      run(arguments({"--max-new-tokens", "2", "--dtype", "f32"}), {.input = "", .environment = asked});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("f32 weights, beside which keys and values are f32, not int8"),
                                 HasSubstr("--dtype"), HasSubstr("--kv-cache")));
}

TEST_F(GenerateTest, EveryOptionCanComeFromTheEnvironment) {
  const auto done = run({"generate"}, {.input = "",
                                       .environment = {{"FOVEA_MODEL", tiny_model().string()},
                                                       {"FOVEA_IMAGE", tiny_picture().string()},
                                                       {"FOVEA_PROMPT", "What is this?"},
                                                       {"FOVEA_MAX_NEW_TOKENS", "3"},
                                                       {"FOVEA_IGNORE_EOS", "true"},
                                                       {"FOVEA_JSON", "true"}}});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json answer = Json::parse(done.out);
  EXPECT_EQ(answer["token_ids"].size(), 3U);
  EXPECT_GT(answer["prompt_tokens"], 50);
}

TEST_F(GenerateTest, EndsWithStopAtTheEndOfSequence) {
  const test::CheckpointCopy checkpoint;
  const std::int32_t third = reference(3)[2];
  checkpoint.edit("generation_config.json", [&](auto& json) { json["eos_token_id"] = {9, third}; });
  std::vector<std::string> command = arguments({"--max-new-tokens", "20", "--json"});
  command[2] = checkpoint.folder().string();
  const auto done = run(command);
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json json = Json::parse(done.out);
  EXPECT_EQ(json["finish_reason"], "stop");
  EXPECT_EQ(json["token_ids"].size(), 3U);
}

TEST(GenerateFaultsTest, WhatIsMissingOrBrokenIsNamedWithExitCode1) {
  const auto expect_failure = [](const std::vector<std::string>& arguments, const std::string& name,
                                 const std::string& reason) {
    const auto done = run(arguments);
    EXPECT_EQ(done.exit_code, 1) << done.err;
    EXPECT_THAT(done.err, AllOf(testing::StartsWith("fovea: "), HasSubstr(name), HasSubstr(reason)));
    EXPECT_EQ(done.out, "");
  };
  expect_failure({"generate", "--model", "/nonexistent", "--prompt", "x"}, "/nonexistent", "");
  expect_failure({"generate", "--model", "no-such-model", "--prompt", "x"}, "no-such-model", "");
  expect_failure(generate({"--prompt", "x", "--image", "/nonexistent.png"}), "/nonexistent.png",
                 "No such file");
  expect_failure(generate({"--prompt", "x", "--image", (tiny_model() / "config.json").string()}),
                 "config.json", "JPEG");
  expect_failure(generate({"--prompt", "x", "--image", tiny_model().string()}), "smolvlm-tiny-f32",
                 "not a regular file");

  const test::CheckpointCopy checkpoint;
  checkpoint.write("model.safetensors", "short");
  expect_failure({"generate", "--model", checkpoint.folder().string(), "--prompt", "x"}, "model.safetensors",
                 "only 5 bytes");
  std::string prompt;
  for (int i = 0; i < 9000; ++i) prompt += "7 ";
  expect_failure(generate({"--prompt", prompt}), "8192", "tokens long");
}

}  // namespace
}  // namespace fovea::cli
