#include "text/chat_template.h"

#include <gtest/gtest.h>

namespace fovea::text {
namespace {

TEST(SmolVlmChat, PutsNoSpaceBeforeAPictureThatComesFirst) {
  EXPECT_EQ(render_smolvlm_chat({{"user", {ImageItem{}, "Can you describe this image?"}}}, true),
            "<|im_start|>User:<image>Can you describe this image?<end_of_utterance>\nAssistant:");
}

TEST(SmolVlmChat, PutsASpaceBeforeText) {
  EXPECT_EQ(render_smolvlm_chat({{"system", {"Be brief."}}, {"user", {"What is this?", ImageItem{}}}}, true),
            "<|im_start|>System: Be brief.<end_of_utterance>\n"
            "User: What is this?<image><end_of_utterance>\nAssistant:");
}

TEST(SmolVlmChat, KeepsItemsInOrderAndTextAsItIs) {
  EXPECT_EQ(
      render_smolvlm_chat({{"user", {ImageItem{}, ImageItem{}, " Compare \n", ImageItem{}, "them. "}}}, true),
      "<|im_start|>User:<image><image> Compare \n<image>them. <end_of_utterance>\nAssistant:");
}

TEST(SmolVlmChat, StartsOnceAndEndsEveryTurn) {
  EXPECT_EQ(render_smolvlm_chat({{"user", {"a"}}, {"assistant", {"b"}}, {"user", {ImageItem{}}}}, false),
            "<|im_start|>User: a<end_of_utterance>\nAssistant: "
            "b<end_of_utterance>\nUser:<image><end_of_utterance>\n");
}

TEST(SmolVlmChat, CapitalisesTheRole) {
  EXPECT_EQ(render_smolvlm_chat({{"TOOL", {"x"}}}, false), "<|im_start|>Tool: x<end_of_utterance>\n");
  EXPECT_EQ(render_smolvlm_chat({{"", {"x"}}}, false), "<|im_start|>: x<end_of_utterance>\n");
}

TEST(SmolVlmChat, RendersAMessageWithoutContentAsItsRole) {
  EXPECT_EQ(render_smolvlm_chat({{"user", {}}}, false), "<|im_start|>User: <end_of_utterance>\n");
  EXPECT_EQ(render_smolvlm_chat({}, true), "<|im_start|>Assistant:");
}

}  // namespace
}  // namespace fovea::text
