#include "evaluate/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/file.h"
#include "support/temporary_folder.h"
#include "tasks/task_set.h"

namespace fovea::evaluate {
namespace {

using testing::ElementsAre;
using Json = nlohmann::ordered_json;

TEST(WilsonIntervalTest, EqualsKnownValues) {
  const auto expect_interval = [](Count count, double low, double high) {
    const auto interval = wilson_interval95(count);
    EXPECT_NEAR(interval[0], low, 5e-5) << count.right << " of " << count.compared;
    EXPECT_NEAR(interval[1], high, 5e-5) << count.right << " of " << count.compared;
  };
  // Newcombe 1998, table I, method 3.
  expect_interval({81, 263}, 0.2553, 0.3662);
  expect_interval({15, 148}, 0.0624, 0.1605);
  expect_interval({0, 20}, 0.0, 0.1611);
  expect_interval({1, 29}, 0.0061, 0.1718);
  expect_interval({20, 20}, 0.8389, 1.0);
}

TEST(WilsonIntervalTest, StaysInsideZeroToOneAndKnowsNothingFromNothing) {
  EXPECT_THAT(wilson_interval95({0, 0}), ElementsAre(0.0, 1.0));
  for (std::size_t n = 1; n < 50; ++n) {
    EXPECT_GE(wilson_interval95({0, n})[0], 0.0);
    EXPECT_LE(wilson_interval95({n, n})[1], 1.0);
    EXPECT_LT(wilson_interval95({n, n})[0], 1.0);
  }
}

/// Answers what stands in the picture's bytes: a JSON object with the fields, or else an error.
class FakeBackend : public recognize::Backend {
 public:
  void recognize(recognize::Request request, RecognitionDone done) override {
    const std::string text(reinterpret_cast<const char*>(request.bytes.data()), request.bytes.size());
    recognize::Recognition answer;
    answer.file = request.file;
    answer.task = request.task;
    answer.timings.total_ms = ++count_;
    if (text.starts_with("{")) {
      answer.fields = Json::parse(text);
      for (const auto& [name, value] : answer.fields.items()) answer.confidence[name] = 0.75;
    } else {
      answer.error = Error{ErrorCode::kInvalidImage, "unreadable"};
    }
    done(std::move(answer));
  }
  void chat(recognize::ChatRequest /*request*/, recognize::ChatListener /*listener*/) override {
    ADD_FAILURE() << "an evaluation holds no conversations";
  }
  [[nodiscard]] std::vector<recognize::ModelInfo> models() const override { return {{"fake", "v1"}}; }
  [[nodiscard]] std::vector<std::string> task_names() const override { return {"trading-card"}; }
  [[nodiscard]] recognize::Readiness readiness() const override {
    return {.ready = true, .why = {}, .details = {}};
  }
  [[nodiscard]] Json stats() const override { return Json::object(); }
  void drain() override {}

 private:
  int count_ = 0;
};

class EvaluateTest : public testing::Test {
 protected:
  void add(const std::string& picture, Json truth) {
    const auto path = folder_.path() / std::to_string(examples_.size());
    EXPECT_TRUE(write_file(path, picture).has_value());
    examples_.push_back({.image = path, .truth = std::move(truth)});
  }
  Evaluation run() {
    auto evaluation = evaluate(backend_, *tasks::builtin_tasks()->find("trading-card"), examples_, {});
    EXPECT_TRUE(evaluation.has_value()) << evaluation.error().message;
    return evaluation.value_or(Evaluation{});
  }
  static Count field(const Evaluation& evaluation, const std::string& name) {
    for (const auto& [field, count] : evaluation.fields) {
      if (field == name) return count;
    }
    return {};
  }

  test::TemporaryFolder folder_;
  std::vector<Example> examples_;
  FakeBackend backend_;
};

TEST_F(EvaluateTest, ARecordIsRightWhenEveryComparedFieldIs) {
  add(R"({"name": "A", "hp": 10})", {{"name", "A"}, {"hp", 10}});
  add(R"({"name": "A", "hp": 20})", {{"name", "A"}, {"hp", 10}});
  add(R"({"name": "a", "hp": 10})", {{"name", "A"}, {"hp", 10}});
  add(R"({"name": "A", "hp": "10"})", {{"name", "A"}, {"hp", 10}});
  const Evaluation evaluation = run();
  EXPECT_EQ(evaluation.whole.right, 1U);
  EXPECT_THAT(evaluation.right, ElementsAre(true, false, false, false));
  EXPECT_EQ(evaluation.whole.compared, 4U);
  EXPECT_EQ(field(evaluation, "name").right, 3U);
  EXPECT_EQ(field(evaluation, "hp").right, 2U);
  EXPECT_EQ(evaluation.failed, 0U);
}

TEST_F(EvaluateTest, NullMeansNotShownAndAFieldLeftOutIsNotCompared) {
  add(R"({"name": "A", "hp": null})", {{"name", "A"}, {"hp", nullptr}});
  add(R"({"name": "A", "hp": 10})", {{"name", "A"}, {"hp", nullptr}});  // saw what is not there
  add(R"({"name": "A", "hp": null})", {{"name", "A"}, {"hp", 10}});     // missed what is there
  add(R"({"name": "A", "hp": 99})", {{"name", "A"}});
  add(R"({"name": "A", "hp": 99})", Json::object());
  const Evaluation evaluation = run();
  EXPECT_EQ(evaluation.whole.right, 3U);
  EXPECT_EQ(field(evaluation, "hp").compared, 3U);
  EXPECT_EQ(field(evaluation, "hp").right, 1U);
  EXPECT_EQ(field(evaluation, "name").compared, 4U);
}

TEST_F(EvaluateTest, APictureThatFailedOrIsMissingCountsAsWrong) {
  add(R"({"name": "A"})", {{"name", "A"}});
  add("broken", {{"name", "A"}});
  add("broken, and nothing to compare", Json::object());
  examples_.push_back({.image = folder_.path() / "missing.png", .truth = {{"name", "A"}}});
  const Evaluation evaluation = run();
  EXPECT_EQ(evaluation.whole.right, 1U);
  EXPECT_EQ(evaluation.whole.compared, 4U);
  EXPECT_EQ(evaluation.failed, 3U);
  EXPECT_EQ(field(evaluation, "name").compared, 3U);
  EXPECT_EQ(field(evaluation, "name").right, 1U);
}

TEST_F(EvaluateTest, AFailedPictureIsNotRightEvenWhereNothingWasToBeSeen) {
  add("broken", {{"hp", nullptr}});
  const Evaluation evaluation = run();
  EXPECT_EQ(evaluation.whole.right, 0U);
  EXPECT_EQ(field(evaluation, "hp").right, 0U);
}

TEST_F(EvaluateTest, PercentilesAreNearestRanks) {
  for (int i = 0; i < 40; ++i) add("{}", Json::object());  // take 1, 2, …, 40 ms
  const Evaluation evaluation = run();
  EXPECT_EQ(evaluation.p50_ms, 20);
  EXPECT_EQ(evaluation.p95_ms, 38);
}

TEST_F(EvaluateTest, OnePictureIsEveryPercentile) {
  add("{}", Json::object());
  const Evaluation evaluation = run();
  EXPECT_EQ(evaluation.p50_ms, 1);
  EXPECT_EQ(evaluation.p95_ms, 1);
}

TEST_F(EvaluateTest, PicturesThatAreNotThereTakeNoTime) {
  examples_.push_back({.image = folder_.path() / "missing.png", .truth = Json::object()});
  const Evaluation evaluation = run();
  EXPECT_EQ(evaluation.p50_ms, 0);
  EXPECT_EQ(evaluation.p95_ms, 0);
}

TEST_F(EvaluateTest, FieldsComeInTheTasksOrder) {
  add("{}", {{"first_edition", true}, {"hp", 10}, {"zz_unknown", 1}});
  add("{}", {{"stage", "Basic"}, {"name", "A"}});
  const Evaluation evaluation = run();
  std::vector<std::string> names;
  for (const auto& [name, count] : evaluation.fields) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("name", "hp", "stage", "first_edition", "zz_unknown"));
}

TEST_F(EvaluateTest, ProgressIsToldAfterEveryPicture) {
  add("{}", Json::object());
  add("broken", Json::object());
  std::vector<std::pair<std::size_t, bool>> told;
  const auto evaluation =
      evaluate(backend_, *tasks::builtin_tasks()->find("trading-card"), examples_,
               [&](std::size_t done, const Example&, const recognize::Recognition& answer) {
                 told.emplace_back(done, answer.ok());
               });
  ASSERT_TRUE(evaluation.has_value());
  EXPECT_THAT(told, ElementsAre(std::pair(1U, true), std::pair(2U, false)));
}

TEST_F(EvaluateTest, NoPicturesAreAnError) {
  const auto evaluation = evaluate(backend_, *tasks::builtin_tasks()->find("trading-card"), {}, {});
  ASSERT_FALSE(evaluation.has_value());
  EXPECT_EQ(evaluation.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EvaluateTest, JsonHasTheContractsKeys) {
  add(R"({"name": "A"})", {{"name", "A"}});
  add(R"({"name": "B"})", {{"name", "A"}});
  const Json json = run().to_json();
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) names.push_back(name);
  EXPECT_THAT(names,
              ElementsAre("model", "n", "accuracy", "interval95", "fields", "latency_ms", "calibration"));
  EXPECT_EQ(json["model"], "fake");
  EXPECT_EQ(json["n"], 2);
  EXPECT_EQ(json["accuracy"], 0.5);
  EXPECT_EQ(json["interval95"].size(), 2U);
  EXPECT_EQ(json["fields"], Json({{"name", 0.5}}));
  EXPECT_EQ(json["latency_ms"], Json({{"p50", 1.0}, {"p95", 2.0}}));
}

TEST_F(EvaluateTest, ConfidencesAreComparedWithTheTruthFieldByField) {
  add(R"({"name": "A", "hp": 10})", {{"name", "A"}, {"hp", 20}});
  add(R"({"name": "B", "hp": 10})", {{"name", "B"}, {"hp", 10}});
  const Evaluation found = run();
  EXPECT_EQ(found.scored.size(), 4U);
  EXPECT_NEAR(found.reliability().error, 0.0, 1e-12) << "said 0.75, and three of four are right";
  EXPECT_EQ(found.to_json()["calibration"]["n"], 4);
}

}  // namespace
}  // namespace fovea::evaluate
