// What may be said about how a picture is to be read.

#include <gmock/gmock.h>

#include <chrono>
#include <utility>
#include <vector>

#include "server/server_fixture.h"

namespace fovea::testing {
namespace {

using ::testing::HasSubstr;

class ParametersTest : public ServerTest {
 protected:
  void SetUp() override { start(); }
};

TEST_F(ParametersTest, ReachTheBackendFromTheQuery) {
  EXPECT_EQ(post("/recognize?mode=fast&priority=high&cache=refresh&deadline_ms=60000", "x").status, 200);
  const auto questions = backend_.questions();
  ASSERT_EQ(questions.size(), 1U);
  EXPECT_EQ(questions[0].mode, "fast");
  EXPECT_EQ(questions[0].priority, engine::Priority::kHigh);
  EXPECT_EQ(questions[0].cache, recognize::CacheMode::kRefresh);
  ASSERT_TRUE(questions[0].deadline);
  EXPECT_LE(*questions[0].deadline, std::chrono::steady_clock::now() + std::chrono::minutes(1));
}

TEST_F(ParametersTest, ReachTheBackendFromTheForm) {
  std::string form;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"file", "picture"},
                                                        {"priority", "batch"},
                                                        {"cache", "off"},
                                                        {"mode", "accurate"},
                                                        {"deadline_ms", "5000"}}) {
    form += "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
  }
  EXPECT_EQ(
      post("/recognize?task=pizza", form + "--b--\r\n", "Content-Type: multipart/form-data; boundary=b\r\n")
          .status,
      200);
  const auto questions = backend_.questions();
  ASSERT_EQ(questions.size(), 1U);
  EXPECT_EQ(questions[0].task, "pizza");
  EXPECT_EQ(questions[0].mode, "accurate");
  EXPECT_EQ(questions[0].priority, engine::Priority::kBatch);
  EXPECT_EQ(questions[0].cache, recognize::CacheMode::kOff);
  EXPECT_TRUE(questions[0].deadline);
}

TEST_F(ParametersTest, AreTheUsualOnesWhenLeftOut) {
  EXPECT_EQ(post("/recognize", "x").status, 200);
  const auto questions = backend_.questions();
  ASSERT_EQ(questions.size(), 1U);
  EXPECT_EQ(questions[0].mode, "auto");
  EXPECT_EQ(questions[0].priority, engine::Priority::kNormal);
  EXPECT_EQ(questions[0].cache, recognize::CacheMode::kUse);
  EXPECT_FALSE(questions[0].deadline);
}

TEST_F(ParametersTest, EndpointsOfThePizzaPairAskForItsTaskAndModels) {
  using recognize::ModelRole;
  const std::vector<std::pair<std::string, ModelRole>> endpoints{{"/predict", ModelRole::kAny},
                                                                 {"/predict/standard", ModelRole::kFast},
                                                                 {"/predict/spatial", ModelRole::kAccurate},
                                                                 {"/classify", ModelRole::kAny}};
  for (const auto& [path, role] : endpoints) {
    EXPECT_EQ(post(path + "?mode=edge", "x").status, 200) << path;
    const auto asked = backend_.questions().back();
    EXPECT_EQ(asked.task, "pizza") << path;
    EXPECT_EQ(asked.role, role) << path;
    EXPECT_EQ(asked.mode, "edge") << path;
  }
  EXPECT_EQ(ask(make_request("GET", "/predict/standard", "")).status, 405);
}

TEST_F(ParametersTest, AProgressiveAnswerIsAStreamOfEvents) {
  const auto answer = post("/recognize?mode=progressive&model=fake&key=bench-7", "x");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.header("content-type"), HasSubstr("text/event-stream"));
  EXPECT_TRUE(answer.body.starts_with("event: answer\ndata: {\"request_id\"")) << answer.body;
  const auto asked = backend_.questions().back();
  EXPECT_EQ(asked.model, "fake");
  EXPECT_EQ(asked.key, "bench-7");
  ASSERT_TRUE(asked.on_preview);
  expect_problem(post("/recognize?mode=progressive", "BAD"), 422, "invalid_image");
}

TEST_F(ParametersTest, AreRefusedByNameWhenTheyAreNone) {
  for (const std::string parameter :
       {"mode=slow", "mode=", "priority=urgent", "cache=yes", "deadline_ms=0", "deadline_ms=-5",
        "deadline_ms=soon", "deadline_ms=1.5", "deadline_ms=99999999999999999999",
        "deadline_ms=", "deadline_ms=5&deadline_ms=5", "mode=fast&mode=fast"}) {
    const auto refused = post("/recognize?" + parameter, "x");
    expect_problem(refused, 400, "invalid_argument");
    EXPECT_THAT(refused.body, HasSubstr(parameter.substr(0, parameter.find('=')))) << parameter;
  }
  EXPECT_TRUE(backend_.seen().empty());
}

TEST_F(ParametersTest, ADeadlineThatCannotBeMetIs504) {
  expect_problem(post("/recognize?deadline_ms=1000", "LATE"), 504, "deadline_exceeded");
}

TEST_F(ParametersTest, TheTierThatHadTheAnswerIsLogged) {
  EXPECT_EQ(post("/recognize", "CACHED").status, 200);
  stop();
  EXPECT_THAT(log_->text(), HasSubstr("client=127.0.0.1 task=trading-card model=fake rule=single "
                                      "why=\"the only \\\"model\\\"\" cached=memory"));
}

TEST_F(ParametersTest, ABackendThatForgetsToAnswerIsAnsweredFor) {
  expect_problem(post("/recognize", "DROP"), 500, "internal");
}

}  // namespace
}  // namespace fovea::testing
