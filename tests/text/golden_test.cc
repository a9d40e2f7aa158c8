// Ids and text of Hugging Face's tokenizers for every stored case of three tokenizers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/json.h"
#include "support/paths.h"
#include "text/tokenizer.h"

namespace fovea::text {
namespace {

class GoldenTokenizer : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path directory_ = test::data_folder() / "golden" / GetParam();
};

TEST_P(GoldenTokenizer, EqualsTheReferenceInEveryCase) {
  const auto tokenizer = Tokenizer::load(directory_);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto cases = read_json_file(directory_ / "tokenizer_cases.json");
  ASSERT_TRUE(cases) << cases.error().message;
  ASSERT_FALSE(cases->empty());
  for (const auto& item : *cases) {
    const auto text = item.at("text").get<std::string>();
    const auto ids = item.at("ids").get<std::vector<std::int32_t>>();
    EXPECT_EQ(tokenizer->encode(text), ids) << text;
    EXPECT_EQ(tokenizer->decode(ids, false), item.at("decoded").get<std::string>()) << text;
    EXPECT_EQ(tokenizer->decode(ids, true), item.at("decoded_skip").get<std::string>()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenTokenizer,
                         testing::Values("smolvlm-tiny-f32", "smolvlm-tiny-bf16-tied", "qwen25vl-tiny-f32"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace fovea::text
