#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <limits>

#include "engine/generator.h"
#include "support/checkpoint_copy.h"

// Weights that are missing, damaged or hostile: an error that names the file and the reason, never a crash.

namespace fovea::models::smolvlm {
namespace {

using test::CheckpointCopy;
using testing::AllOf;
using testing::HasSubstr;
using Json = CheckpointCopy::Json;
using Tensor = CheckpointCopy::Tensor;

constexpr const char* kQuery = "model.text_model.layers.1.self_attn.q_proj.weight";

Result<std::unique_ptr<engine::Generator>> open(const CheckpointCopy& checkpoint) {
  return engine::Generator::open(checkpoint.folder(), {.model = {}, .threads = 1});
}

void expect_refused(const CheckpointCopy& checkpoint, const std::string& reason,
                    const std::string& file = "model.safetensors") {
  const auto opened = open(checkpoint);
  ASSERT_FALSE(opened.has_value()) << "should be refused: " << reason;
  EXPECT_EQ(error_name(opened.error().code), std::string("invalid_model")) << opened.error().message;
  EXPECT_THAT(opened.error().message, AllOf(HasSubstr(file), HasSubstr(reason)));
  EXPECT_LT(opened.error().message.size(), 600U) << "a message is for people";
}

TEST(CheckpointFaultsTest, AMissingTensorIsNamed) {
  for (const char* name :
       {kQuery, "model.vision_model.embeddings.patch_embedding.bias", "model.text_model.norm.weight",
        "model.text_model.embed_tokens.weight", "model.connector.modality_projection.proj.weight"}) {
    const CheckpointCopy checkpoint;
    checkpoint.edit_tensors([&](std::vector<Tensor>& tensors) {
      std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name == name; });
    });
    expect_refused(checkpoint, std::string("tensor ") + name + " is missing");
  }
}

TEST(CheckpointFaultsTest, AMissingHeadIsTheEmbeddingTable) {
  const CheckpointCopy checkpoint;
  checkpoint.edit_tensors([](std::vector<Tensor>& tensors) {
    std::erase_if(tensors, [](const Tensor& tensor) { return tensor.name == "lm_head.weight"; });
  });
  EXPECT_TRUE(open(checkpoint).has_value());
}

TEST(CheckpointFaultsTest, AWrongShapeIsNamedWithWhatWasExpected) {
  const CheckpointCopy checkpoint;
  checkpoint.edit_tensor(kQuery, [](Tensor& tensor) {
    tensor.shape = {48, 96};
    tensor.bytes.resize(tensor.bytes.size() / 2);
  });
  expect_refused(checkpoint, fmt::format("{} has shape [48, 96]", kQuery));
}

TEST(CheckpointFaultsTest, AnEmptyOrScalarTensorIsAWrongShape) {
  const CheckpointCopy checkpoint;
  checkpoint.edit_tensor(kQuery, [](Tensor& tensor) {
    tensor.shape = {0, 96};
    tensor.bytes.clear();
  });
  expect_refused(checkpoint, "has shape [0, 96]");
  checkpoint.edit_tensor(kQuery, [](Tensor& tensor) {
    tensor.shape = {};
    tensor.bytes.resize(4);
  });
  expect_refused(checkpoint, "has shape []");
}

TEST(CheckpointFaultsTest, WholeNumbersAreNoWeights) {
  const CheckpointCopy checkpoint;
  checkpoint.edit_tensor(kQuery, [](Tensor& tensor) { tensor.dtype = tensor::DType::kI32; });
  expect_refused(checkpoint, fmt::format("{} has type I32", kQuery));
}

TEST(CheckpointFaultsTest, ATruncatedFileIsRefusedWhereverItEnds) {
  const std::string whole = CheckpointCopy().read("model.safetensors");
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100},
                                 whole.size() / 2, whole.size() - 1}) {
    const CheckpointCopy checkpoint;
    checkpoint.write("model.safetensors", std::string_view(whole).substr(0, size));
    expect_refused(checkpoint, "not a usable safetensors file");
  }
}

std::string with_header(std::string_view header, std::size_t data_bytes = 64) {
  const std::uint64_t size = header.size();
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes + std::string(header) + std::string(data_bytes, '\0');
}

TEST(CheckpointFaultsTest, HostileHeadersAreRefused) {
  const auto entry = [](int begin, int end) {
    return fmt::format(R"({{"dtype":"F32","shape":[2],"data_offsets":[{},{}]}})", begin, end);
  };
  const std::vector<std::pair<std::string, std::string>> headers{
      {with_header(std::string(100'000, '[')), "nested deeper"},
      {with_header(R"({"a":)" + std::string(100'000, '{')), "not valid JSON"},
      {with_header(fmt::format(R"({{"a":{},"a":{}}})", entry(0, 8), entry(8, 16))), "stands twice"},
      {with_header(fmt::format(R"({{"a":{},"b":{}}})", entry(0, 8), entry(4, 12))), "overlap"},
      {with_header(fmt::format(R"({{"a":{}}})", entry(60, 68))), "outside"},
      {with_header(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})"), "shape"},
      {with_header(fmt::format(R"({{"a":{{"dtype":"{}"}}}})", std::string(1'000'000, 'x'))), "dtype"},
      {with_header(fmt::format(R"({{"{}":1}})", std::string(1'000'000, 'x'))), "needs dtype"},
      {std::string(8, '\xFF') + "{}", "header claims"}};
  for (const auto& [bytes, reason] : headers) {
    const CheckpointCopy checkpoint;
    checkpoint.write("model.safetensors", bytes);
    expect_refused(checkpoint, reason);
  }
}

TEST(CheckpointFaultsTest, ADamagedIndexOfShardsIsADamagedCheckpoint) {
  for (const char* text : {"{", "[]", "{\"weight_map\": {\"a\": \"../x\"}}"}) {
    const CheckpointCopy checkpoint("smolvlm-tiny-older-f16");
    checkpoint.write("model.safetensors.index.json", text);
    expect_refused(checkpoint, "", "model.safetensors.index.json");
  }
}

TEST(CheckpointFaultsTest, AMissingShardIsNamed) {
  const CheckpointCopy checkpoint("smolvlm-tiny-older-f16");
  checkpoint.remove("model-00002-of-00002.safetensors");
  const auto opened = open(checkpoint);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(opened.error().message, HasSubstr("model-00002-of-00002.safetensors"));
}

TEST(CheckpointFaultsTest, AWholeFileGoesBeforeAnIndexOfShardsAsInTheReference) {
  const CheckpointCopy checkpoint;
  checkpoint.write("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"gone.safetensors\"}}");
  EXPECT_TRUE(open(checkpoint).has_value());
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FOVEA_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef FOVEA_ADDRESS_SANITIZER
constexpr std::size_t kSlack = std::size_t{1} << 30;  // freed memory is kept for a while
#else
constexpr std::size_t kSlack = std::size_t{48} << 20;
#endif

/// Largest resident memory of this process so far, in bytes.
std::size_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

TEST(CheckpointFaultsTest, NumbersAtTheirBoundsTakeNoMemory) {
  const std::vector<std::pair<const char*, std::size_t>> bounds{
      {"/text_config/num_hidden_layers", 1024},
      {"/vision_config/num_hidden_layers", 1024},
      {"/text_config/hidden_size", std::size_t{1} << 20},
      {"/text_config/intermediate_size", std::size_t{1} << 20},
      {"/vision_config/intermediate_size", std::size_t{1} << 20},
      {"/text_config/vocab_size", std::size_t{1} << 24},
      {"/text_config/num_attention_heads", 4096},
      {"/text_config/head_dim", 4096}};
  const std::size_t before = peak_memory();
  for (const auto& [pointer, value] : bounds) {
    SCOPED_TRACE(pointer);
    const CheckpointCopy checkpoint;
    checkpoint.edit("config.json", [&](Json& json) { json[Json::json_pointer(pointer)] = value; });
    expect_refused(checkpoint, "tensor ");
  }
  EXPECT_LT(peak_memory() - before, kSlack);
}

TEST(CheckpointFaultsTest, AHugeContextCostsNothingUntilItIsUsed) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("config.json",
                  [](Json& json) { json["text_config"]["max_position_embeddings"] = std::size_t{1} << 20; });
  const std::size_t before = peak_memory();
  const auto generator = open(checkpoint);
  ASSERT_TRUE(generator.has_value()) << generator.error().message;
  const auto answer = (*generator)->generate({}, "Hello", {.max_new_tokens = 3, .ignore_eos = true});
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->token_ids.size(), 3U);
  EXPECT_LT(peak_memory() - before, kSlack);
}

TEST(CheckpointFaultsTest, WeightsThatAreNotNumbersStillEndWithAnAnswer) {
  const float infinity = std::numeric_limits<float>::infinity();
  const image::Image picture{.width = 40, .height = 30, .rgb = std::vector<std::uint8_t>(3600, 77)};
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, 3e38F}) {
    for (const char* name : {"lm_head.weight", kQuery, "model.vision_model.post_layernorm.weight"}) {
      SCOPED_TRACE(fmt::format("{} = {}", name, value));
      const CheckpointCopy checkpoint;
      checkpoint.edit_tensor(name, [&](Tensor& tensor) { tensor.fill(value); });
      const auto generator = open(checkpoint);
      ASSERT_TRUE(generator.has_value()) << generator.error().message;
      const auto answer =
          (*generator)->generate({&picture, 1}, "What?", {.max_new_tokens = 4, .ignore_eos = true});
      ASSERT_TRUE(answer.has_value()) << answer.error().message;
      EXPECT_EQ(answer->token_ids.size(), 4U);
      EXPECT_THAT(answer->token_ids, testing::Each(AllOf(testing::Ge(0), testing::Lt(900), testing::Ne(9))));
    }
  }
}

TEST(CheckpointFaultsTest, AnEndOfSequenceTokenThatIsTheFirstIdIsNotSelectedForLackOfNumbers) {
  const CheckpointCopy checkpoint;
  checkpoint.edit("generation_config.json", [](Json& json) { json["eos_token_id"] = {0, 1}; });
  checkpoint.edit_tensor("lm_head.weight",
                         [](Tensor& tensor) { tensor.fill(std::numeric_limits<float>::quiet_NaN()); });
  const auto generator = open(checkpoint);
  ASSERT_TRUE(generator.has_value()) << generator.error().message;
  const auto answer = (*generator)->generate({}, "What?", {.max_new_tokens = 3, .ignore_eos = true});
  ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(answer->token_ids, testing::Each(testing::Gt(1)));
}

}  // namespace
}  // namespace fovea::models::smolvlm
