#include "models/smolvlm/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace fovea::models::smolvlm {
namespace {

std::string expand(std::string_view chat, const std::vector<Grid>& pictures, std::size_t tokens_per_frame) {
  const auto text = expand_image_prompt(chat, pictures, tokens_per_frame);
  EXPECT_TRUE(text.has_value()) << text.error().message;
  return text.value_or("");
}

TEST(PromptTest, APictureThatIsNotSplitIsOneFrameBetweenFakeTokens) {
  EXPECT_EQ(expand("<|im_start|>User:<image>Hi<end_of_utterance>\nAssistant:", {{}}, 3),
            "<|im_start|>User:<fake_token_around_image><global-img><image><image><image>"
            "<fake_token_around_image>Hi<end_of_utterance>\nAssistant:");
}

TEST(PromptTest, TilesComeRowByRowWithOneNewlineAfterARowAndTwoBeforeTheGlobalFrame) {
  EXPECT_EQ(expand("<image>", {{.rows = 2, .columns = 3}}, 1),
            "<fake_token_around_image><row_1_col_1><image><fake_token_around_image><row_1_col_2><image>"
            "<fake_token_around_image><row_1_col_3><image>\n"
            "<fake_token_around_image><row_2_col_1><image><fake_token_around_image><row_2_col_2><image>"
            "<fake_token_around_image><row_2_col_3><image>\n"
            "\n<fake_token_around_image><global-img><image><fake_token_around_image>");
}

TEST(PromptTest, ASingleRowOrColumnIsAGridToo) {
  EXPECT_EQ(expand("<image>", {{.rows = 1, .columns = 2}}, 1),
            "<fake_token_around_image><row_1_col_1><image><fake_token_around_image><row_1_col_2><image>\n"
            "\n<fake_token_around_image><global-img><image><fake_token_around_image>");
  EXPECT_EQ(expand("<image>", {{.rows = 2, .columns = 1}}, 1),
            "<fake_token_around_image><row_1_col_1><image>\n<fake_token_around_image><row_2_col_1><image>\n"
            "\n<fake_token_around_image><global-img><image><fake_token_around_image>");
}

TEST(PromptTest, PicturesTakeTheMarkersInOrder) {
  EXPECT_EQ(expand("a<image>b<image>c", {{}, {.rows = 1, .columns = 1}}, 1),
            "a<fake_token_around_image><global-img><image><fake_token_around_image>"
            "b<fake_token_around_image><row_1_col_1><image>\n"
            "\n<fake_token_around_image><global-img><image><fake_token_around_image>c");
}

TEST(PromptTest, ATextWithoutPicturesStaysAsItIs) {
  EXPECT_EQ(expand("no picture\n", {}, 64), "no picture\n");
}

TEST(PromptTest, MarkersAndPicturesMustBeAsMany) {
  const std::vector<Grid> two(2);
  for (const char* chat : {"<image>", "", "<image><image><image>"}) {
    const auto text = expand_image_prompt(chat, two, 1);
    ASSERT_FALSE(text.has_value()) << chat;
    EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(text.error().message, testing::HasSubstr("2 pictures"));
  }
}

}  // namespace
}  // namespace fovea::models::smolvlm
