// POST /v1/chat/completions, whole and as a stream.

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "server/server_fixture.h"

namespace fovea::testing {
namespace {

using ::testing::HasSubstr;

const std::string kPath = "/v1/chat/completions";
const std::string kJson = "Content-Type: application/json\r\n";

std::string chat_body(const std::string& text, const std::string& members = {}) {
  return R"({"model": "fake", "messages": [{"role": "user", "content": ")" + text + "\"}]" +
         (members.empty() ? "" : ", " + members) + "}";
}

class ChatTest : public ServerTest {
 protected:
  WireResponse chat(const std::string& text, const std::string& members = {}) {
    return post(kPath, chat_body(text, members), kJson);
  }
  static std::string chat_request(const std::string& text, const std::string& members = {},
                                  const std::string& headers = {}) {
    return make_request("POST", kPath, chat_body(text, members), kJson + headers);
  }
};

/// The objects of a stream of server-sent events, without "[DONE]", which must be at its end.
std::vector<nlohmann::json> events_of(std::string_view body, bool complete = true) {
  std::vector<nlohmann::json> events;
  bool done = false;
  while (!body.empty()) {
    const auto end = body.find("\n\n");
    EXPECT_NE(end, std::string_view::npos) << body;
    if (end == std::string_view::npos) break;
    const std::string_view event = body.substr(0, end);
    body.remove_prefix(end + 2);
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    EXPECT_FALSE(done);
    done = event == "data: [DONE]";
    if (!done) events.push_back(nlohmann::json::parse(event.substr(6)));
  }
  EXPECT_EQ(done, complete);
  return events;
}

void expect_openai_error(const WireResponse& response, int status, const std::string& type,
                         const std::string& code) {
  EXPECT_EQ(response.status, status) << response.body;
  EXPECT_EQ(response.header("content-type"), "application/json");
  EXPECT_FALSE(response.header("x-request-id").empty());
  const auto error = json_of(response)["error"];
  EXPECT_EQ(error["type"], type);
  EXPECT_EQ(error["code"], code);
  EXPECT_TRUE(error.contains("param"));
  EXPECT_FALSE(error["message"].get<std::string>().empty());
}

TEST_F(ChatTest, AnswersWhole) {
  start();
  const auto response = chat("Hi");
  EXPECT_EQ(response.status, 200) << response.body;
  const auto answer = json_of(response);
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["id"], "chatcmpl-" + response.header("x-request-id"));
  EXPECT_EQ(answer["model"], "fake");
  EXPECT_EQ(answer["system_fingerprint"], "1");
  const auto& choice = answer["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], "Hello, w\xc3\xb6rld!");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_TRUE(choice["logprobs"].is_null());
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 10);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 4);
  EXPECT_EQ(answer["usage"]["total_tokens"], 14);
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
}

TEST_F(ChatTest, TellsWhenTheAnswerWasCut) {
  start();
  const auto answer = json_of(chat("Hi", R"("max_tokens": 2)"));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Hello, ");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
}

TEST_F(ChatTest, GivesLogprobs) {
  start();
  const auto content =
      json_of(chat("Hi", R"("logprobs": true, "top_logprobs": 2)"))["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 4U);
  EXPECT_EQ(content[2]["token"], "w\xc3\xb6rld");
  EXPECT_EQ(content[2]["bytes"], nlohmann::json({0x77, 0xc3, 0xb6, 0x72, 0x6c, 0x64}));
  EXPECT_FLOAT_EQ(content[2]["logprob"].get<float>(), -0.5F);
  EXPECT_EQ(content[2]["top_logprobs"].size(), 2U);
}

TEST_F(ChatTest, StreamsChunksAndTheUsageWhereItIsWanted) {
  start();
  const auto response = chat("Hi", R"("stream": true, "stream_options": {"include_usage": true})");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.header("content-type"), HasSubstr("text/event-stream"));
  const auto events = events_of(response.body);
  ASSERT_EQ(events.size(), 7U);
  EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
  std::string text;
  for (const auto& event : events) {
    EXPECT_EQ(event["object"], "chat.completion.chunk");
    EXPECT_EQ(event["id"], events[0]["id"]);
    ASSERT_TRUE(event.contains("usage"));
    if (event["choices"].empty()) continue;
    EXPECT_TRUE(event["usage"].is_null());
    text += event["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, "Hello, w\xc3\xb6rld!");
  EXPECT_EQ(events[5]["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(events[6]["choices"].empty());
  EXPECT_EQ(events[6]["usage"]["total_tokens"], 14);
}

TEST_F(ChatTest, StreamsWithoutUsageUnlessItIsWanted) {
  start();
  const auto events = events_of(chat("Hi", R"("stream": true, "logprobs": true)").body);
  ASSERT_EQ(events.size(), 6U);
  for (const auto& event : events) EXPECT_FALSE(event.contains("usage"));
  EXPECT_EQ(events[1]["choices"][0]["logprobs"]["content"][0]["token"], "Hello");
}

TEST_F(ChatTest, KeepsTheConnectionAfterAStream) {
  start();
  auto client = connect();
  for (int i = 0; i < 3; ++i) {
    const auto response = client.request(chat_request("Hi", R"("stream": true)"));
    ASSERT_TRUE(response);
    EXPECT_EQ(events_of(response->body).size(), 6U);
  }
  client.send(chat_request("Hi", R"("stream": true)") + make_request("GET", "/healthz"));
  ASSERT_TRUE(client.receive());
  EXPECT_EQ(client.receive()->status, 200) << "what was sent behind it is answered";
}

TEST_F(ChatTest, StreamsToHttp10UntilTheConnectionEnds) {
  start();
  const std::string body = chat_body("Hi", R"("stream": true)");
  auto client = connect();
  client.send("POST " + kPath + " HTTP/1.0\r\nConnection: keep-alive\r\n" + kJson +
              "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_TRUE(client.skip_past("Connection: close\r\n\r\ndata: {"));
  EXPECT_TRUE(client.skip_past("data: [DONE]\n\n"));
  EXPECT_TRUE(client.at_end());
}

TEST_F(ChatTest, AnswersInJsonWhenAskedTo) {
  start();
  const auto object = json_of(chat("Hi", R"("response_format": {"type": "json_object"})"));
  EXPECT_EQ(object["choices"][0]["message"]["content"], R"({"answer":"Hello"})");
  const auto shaped = json_of(
      chat("Hi", R"("response_format": {"type": "json_schema", "json_schema": {"name": "card", "schema":
            {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}}}})"));
  EXPECT_EQ(shaped["choices"][0]["message"]["content"], R"({"z":"text","a":1})");
}

TEST_F(ChatTest, ErrorsHaveTheFormOfOpenAi) {
  start();
  expect_openai_error(chat("OVERLOADED"), 429, "rate_limit_error", "rate_limit_exceeded");
  EXPECT_EQ(chat("OVERLOADED").header("retry-after"), "7");
  expect_openai_error(chat("TOO LONG"), 400, "invalid_request_error", "context_length_exceeded");
  expect_openai_error(chat("FAIL"), 500, "server_error", "internal");
  expect_openai_error(chat("FAIL", R"("stream": true)"), 500, "server_error", "internal");
  expect_openai_error(chat("DROP"), 500, "server_error", "internal");
  const auto bad = chat("Hi", R"("n": 2)");
  expect_openai_error(bad, 400, "invalid_request_error", "invalid_argument");
  EXPECT_EQ(json_of(bad)["error"]["param"], "n");
  expect_openai_error(post(kPath, "{", kJson), 400, "invalid_request_error", "invalid_json");
  expect_openai_error(post(kPath, "{}", "Content-Type: text/plain\r\n"), 415, "invalid_request_error",
                      "unsupported_media");
  expect_openai_error(ask(make_request("GET", kPath)), 405, "invalid_request_error", "method_not_allowed");
  expect_openai_error(ask(make_request("GET", "/v1/engines")), 404, "invalid_request_error", "not_found");
  const auto unknown =
      post(kPath, R"({"model": "gpt", "messages": [{"role": "user", "content": "x"}]})", kJson);
  expect_openai_error(unknown, 404, "invalid_request_error", "model_not_found");
}

TEST_F(ChatTest, AnErrorInTheMiddleOfAStreamIsAnEvent) {
  start();
  const auto response = chat("BREAK", R"("stream": true)");
  EXPECT_EQ(response.status, 200);
  const auto events = events_of(response.body, /*complete=*/false);
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[3]["error"]["type"], "server_error");
  EXPECT_EQ(events[3]["error"]["message"], "the model broke");
}

TEST_F(ChatTest, StopsTheWorkOfAClientThatLeaves) {
  start();
  for (const std::string members : {"", R"("stream": true)"}) {
    auto client = connect();
    client.send(chat_request("WAIT", members, "X-Request-Id: leaver\r\n"));
    if (!members.empty()) EXPECT_TRUE(client.skip_past("Wait"));
    client.close();
    backend_.wait_until_stopped(members.empty() ? 1 : 2);
    log_->wait_for("id=leaver");
  }
}

TEST_F(ChatTest, StopsTheWorkWhenTheDrainTakesTooLong) {
  options_.drain_timeout = std::chrono::milliseconds(50);
  start();
  auto client = connect();
  client.send(chat_request("WAIT", R"("stream": true)"));
  EXPECT_TRUE(client.skip_past("Wait"));
  stop();
  backend_.wait_until_stopped(1);
}

TEST_F(ChatTest, AReaderThatDoesNotReadIsCutOffAndItsWorkStopped) {
  options_.max_stream_bytes = 10'000;
  start();
  auto client = connect();
  client.send(chat_request("FLOOD", R"("stream": true)"));
  backend_.wait_until_stopped(1);
  log_->wait_for("sent=false");
  EXPECT_EQ(ask(make_request("GET", "/healthz")).status, 200);
}

TEST_F(ChatTest, LogsTokensAndNeitherPromptNorAnswer) {
  start();
  chat("a private question");
  chat("a private question", R"("stream": true)");
  stop();
  const std::string text = log_->text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_THAT(text, HasSubstr("task=chat model=fake prompt_tokens=10 completion_tokens=4"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("private")));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("Hello")));
}

TEST_F(ChatTest, TellsOfOneModel) {
  start();
  const auto model = json_of(ask(make_request("GET", "/v1/models/fake")));
  EXPECT_EQ(model["id"], "fake");
  EXPECT_EQ(model["object"], "model");
  expect_openai_error(ask(make_request("GET", "/v1/models/gpt-4o")), 404, "invalid_request_error",
                      "model_not_found");
  backend_.set_models({{.id = "org/model", .version = "2"}});
  EXPECT_EQ(ask(make_request("GET", "/v1/models/org%2Fmodel")).status, 200);
}

}  // namespace
}  // namespace fovea::testing
