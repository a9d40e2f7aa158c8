#include "server/chat_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace fovea::server {
namespace {

using recognize::ResponseFormat;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A request with one message and these members besides.
std::string with(const std::string& members) {
  return R"({"model": "m", "messages": [{"role": "user", "content": "hi"}])" +
         (members.empty() ? "" : ", " + members) + "}";
}
std::string with_messages(const std::string& messages) {
  return R"({"model": "m", "messages": )" + messages + "}";
}
std::string with_part(const std::string& part) {
  return with_messages(R"([{"role": "user", "content": [)" + part + "]}]");
}

ChatCall accepted(const std::string& body) {
  auto call = parse_chat_request(body);
  EXPECT_TRUE(call) << body << ": " << call.error().error.message;
  return call ? std::move(*call) : ChatCall{};
}

/// The parameter that is at fault.
std::string refused(const std::string& body, ErrorCode code = ErrorCode::kInvalidArgument) {
  const auto call = parse_chat_request(body);
  if (call) return "accepted";
  EXPECT_EQ(call.error().error.code, code) << body;
  EXPECT_FALSE(call.error().error.message.empty());
  return call.error().param;
}

TEST(ChatRequestTest, ReadsTextsAndPicturesInOrder) {
  const ChatCall call = accepted(with_messages(R"([
      {"role": "developer", "content": "Be brief."},
      {"role": "user", "name": "ann", "content": [
          {"type": "text", "text": "What is this?"},
          {"type": "image_url", "image_url": {"url": "data:image/png;base64,Zm9v", "detail": "high"}}]},
      {"role": "assistant", "content": "A card.", "refusal": null, "annotations": [], "tool_calls": []},
      {"role": "user", "content": "Which?"}])"));
  const auto& turns = call.request.turns;
  ASSERT_EQ(turns.size(), 4U);
  EXPECT_EQ(turns[0].role, "system");
  EXPECT_EQ(turns[1].role, "user");
  ASSERT_EQ(turns[1].content.size(), 2U);
  EXPECT_EQ(std::get<std::string>(turns[1].content[0]), "What is this?");
  EXPECT_EQ(std::get<recognize::ImagePart>(turns[1].content[1]).bytes.size(), 3U);
  EXPECT_EQ(turns[2].role, "assistant");
  EXPECT_EQ(std::get<std::string>(turns[3].content[0]), "Which?");
}

TEST(ChatRequestTest, ReadsHowToPickTokens) {
  const ChatCall call = accepted(with(
      R"("temperature": 0.5, "top_p": 0.25, "top_k": 40, "seed": -1, "stop": ["a", "b"], "max_tokens": 7,
         "logprobs": true, "top_logprobs": 5, "stream": true, "stream_options": {"include_usage": true},
         "priority": "high", "deadline_ms": 1500)"));
  const auto& sampling = call.request.sampling;
  EXPECT_EQ(sampling.temperature, 0.5F);
  EXPECT_EQ(sampling.top_p, 0.25F);
  EXPECT_EQ(sampling.top_k, 40U);
  EXPECT_EQ(sampling.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_THAT(sampling.stop, ElementsAre("a", "b"));
  EXPECT_TRUE(sampling.logprobs);
  EXPECT_EQ(sampling.top_logprobs, 5U);
  EXPECT_EQ(call.request.max_new_tokens, 7U);
  EXPECT_TRUE(call.request.stream);
  EXPECT_TRUE(call.include_usage);
  EXPECT_EQ(call.request.priority, engine::Priority::kHigh);
  EXPECT_EQ(call.deadline, std::chrono::milliseconds(1500));
}

TEST(ChatRequestTest, WithoutATemperatureTheAnswerIsAlwaysTheSame) {
  const ChatCall call = accepted(with(""));
  EXPECT_EQ(call.request.sampling.temperature, 0);
  EXPECT_EQ(call.request.sampling.seed, 0U);
  EXPECT_FALSE(call.request.stream);
  EXPECT_EQ(call.request.format.kind, ResponseFormat::Kind::kText);
  const ChatCall warm = accepted(with(R"("temperature": 1)"));
  EXPECT_NE(warm.request.sampling.seed, accepted(with(R"("temperature": 1)")).request.sampling.seed);
}

TEST(ChatRequestTest, ReadsStopTextsAndLimitsInEveryForm) {
  EXPECT_THAT(accepted(with(R"("stop": "end")")).request.sampling.stop, ElementsAre("end"));
  EXPECT_EQ(accepted(with(R"("max_completion_tokens": 9)")).request.max_new_tokens, 9U);
  EXPECT_EQ(accepted(with(R"("max_completion_tokens": 9, "max_tokens": 9)")).request.max_new_tokens, 9U);
}

TEST(ChatRequestTest, PassesASchemaOnInTheOrderItWasWritten) {
  const ChatCall call = accepted(with(
      R"("response_format": {"type": "json_schema", "json_schema": {"name": "card", "strict": true, "schema":
         {"type": "object", "properties": {"name": {"type": "string"}, "hp": {"type": "integer"}}}}})"));
  EXPECT_EQ(call.request.format.kind, ResponseFormat::Kind::kJsonSchema);
  EXPECT_EQ(call.request.format.schema,
            R"({"type":"object","properties":{"name":{"type":"string"},"hp":{"type":"integer"}}})");
  EXPECT_EQ(accepted(with(R"("response_format": {"type": "json_object"})")).request.format.kind,
            ResponseFormat::Kind::kJsonObject);
  EXPECT_EQ(accepted(with(R"("response_format": {"type": "text"})")).request.format.kind,
            ResponseFormat::Kind::kText);
}

TEST(ChatRequestTest, SkipsWhatCannotChangeTheAnswer) {
  accepted(with(
      R"("user": "u", "metadata": {"a": "b"}, "store": false, "service_tier": "auto", "n": 1, "tools": [],
         "tool_choice": "none", "logit_bias": {}, "frequency_penalty": 0, "presence_penalty": 0.0,
         "modalities": ["text"], "audio": null, "anything": null, "response_format": null, "temperature": null)"));
}

TEST(ChatRequestTest, RefusesByNameWhatItCannotDo) {
  for (const auto& [members, param] : std::vector<std::pair<std::string, std::string>>{
           {R"("n": 2)", "n"},
           {R"("tools": [{"type": "function"}])", "tools"},
           {R"("tool_choice": "auto")", "tool_choice"},
           {R"("functions": [{}])", "functions"},
           {R"("logit_bias": {"1": 5})", "logit_bias"},
           {R"("frequency_penalty": 0.5)", "frequency_penalty"},
           {R"("presence_penalty": -1)", "presence_penalty"},
           {R"("modalities": ["text", "audio"])", "modalities"},
           {R"("audio": {"voice": "x"})", "audio"},
           {R"("reasoning_effort": "low")", "reasoning_effort"},
           {R"("temprature": 0)", "temprature"},
           {R"("temperature": 2.5)", "temperature"},
           {R"("temperature": -0.1)", "temperature"},
           {R"("temperature": "hot")", "temperature"},
           {R"("top_p": 1.5)", "top_p"},
           {R"("top_k": -1)", "top_k"},
           {R"("top_k": 1.5)", "top_k"},
           {R"("seed": 1.5)", "seed"},
           {R"("seed": 18446744073709551615)", "seed"},
           {R"("stop": ["a", "b", "c", "d", "e"])", "stop"},
           {R"("stop": "")", "stop"},
           {R"("stop": 5)", "stop"},
           {R"("max_tokens": 0)", "max_tokens"},
           {R"("max_tokens": 5, "max_completion_tokens": 6)", "max_completion_tokens"},
           {R"("stream": 1)", "stream"},
           {R"("stream_options": {"include_usage": true})", "stream_options"},
           {R"("stream": true, "stream_options": {"include": true})", "stream_options.include"},
           {R"("top_logprobs": 5)", "top_logprobs"},
           {R"("logprobs": true, "top_logprobs": 21)", "top_logprobs"},
           {R"("logprobs": 3)", "logprobs"},
           {R"("response_format": "json")", "response_format"},
           {R"("response_format": {"type": "xml"})", "response_format.type"},
           {R"("response_format": {"type": "json_schema"})", "response_format.json_schema"},
           {R"("response_format": {"type": "json_schema", "json_schema": {"schema": {}}})",
            "response_format.json_schema.name"},
           {R"("response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": 5}})",
            "response_format.json_schema.schema"},
           {R"("priority": "urgent")", "priority"},
           {R"("deadline_ms": 0)", "deadline_ms"}}) {
    EXPECT_EQ(refused(with(members)), param) << members;
  }
}

TEST(ChatRequestTest, RefusesMessagesThatAreNone) {
  EXPECT_EQ(refused("{}"), "messages");
  EXPECT_EQ(refused("[]"), "");
  EXPECT_EQ(refused(with_messages("[]")), "messages");
  EXPECT_EQ(refused(with_messages(R"("hi")")), "messages");
  EXPECT_EQ(refused(with_messages("[5]")), "messages[0]");
  EXPECT_EQ(refused(with_messages(R"([{"content": "x"}])")), "messages[0].role");
  EXPECT_EQ(refused(with_messages(R"([{"role": "tool", "content": "x"}])")), "messages[0].role");
  EXPECT_EQ(refused(with_messages(R"([{"role": "user"}])")), "messages[0].content");
  EXPECT_EQ(refused(with_messages(R"([{"role": "user", "content": []}])")), "messages[0].content");
  EXPECT_EQ(refused(with_messages(R"([{"role": "user", "content": "x", "colour": 1}])")),
            "messages[0].colour");
  EXPECT_EQ(refused(with_messages(R"([{"role": "assistant", "content": "x", "tool_calls": [{}]}])")),
            "messages[0].tool_calls");
  EXPECT_EQ(refused(with_part(R"({"type": "text"})")), "messages[0].content[0].text");
  EXPECT_EQ(refused(with_part(R"({"type": "input_audio", "input_audio": {}})")),
            "messages[0].content[0].type");
  std::string many = "[";
  for (int i = 0; i < 300; ++i) many += R"({"role": "user", "content": "x"},)";
  many.back() = ']';
  EXPECT_EQ(refused(with_messages(many)), "messages");
}

TEST(ChatRequestTest, RefusesPicturesThatAreNoDataUri) {
  for (const std::string url :
       {"https://example.org/a.png", "HTTP://example.org/a.png", "file:///etc/passwd", "",
        "data:image/png;base64", "data:image/png,abc", "data:text/plain;base64,Zm9v", "data:;base64,Zm9v",
        "data:image/png;base64,", "data:image/png;base64,Zm9", "data:image/png;base64,Zm9v\\n",
        "data:image/png;base64,Zm-v"}) {
    EXPECT_EQ(refused(with_part(R"({"type": "image_url", "image_url": {"url": ")" + url + R"("}})")),
              "messages[0].content[0].image_url.url")
        << url;
  }
  EXPECT_EQ(refused(with_part(R"({"type": "image_url", "image_url": "data:image/png;base64,Zm9v"})")),
            "messages[0].content[0].image_url");
  EXPECT_EQ(refused(with_part(
                R"({"type": "image_url", "image_url": {"url": "data:image/png;base64,Zm9v", "detail": 1}})")),
            "messages[0].content[0].image_url.detail");
  EXPECT_EQ(refused(with_messages(R"([{"role": "system", "content": [{"type": "image_url", "image_url":
                                  {"url": "data:image/png;base64,Zm9v"}}]}])")),
            "messages[0].content[0]");
  EXPECT_TRUE(decode_image_uri("DATA:Image/PNG;charset=x;BASE64,Zm9v", 3));
  EXPECT_EQ(decode_image_uri("data:image/png;base64,Zm9v", 2).error().code, ErrorCode::kTooLarge);
}

TEST(ChatRequestTest, RefusesJsonThatIsDeepRepeatedOrBroken) {
  for (const std::string& body :
       {std::string(), std::string("{"), with("") + "x", with(R"("model": "n")"), std::string("\xff"),
        with(R"("metadata": )" + std::string(100, '[') + std::string(100, ']'))}) {
    EXPECT_EQ(refused(body, ErrorCode::kInvalidJson), "") << body;
  }
}

}  // namespace
}  // namespace fovea::server
