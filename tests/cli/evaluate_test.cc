#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

class EvaluateTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::copy(tiny_picture(), folder_.path() / "a.png");
    manifest("{\"image\": \"a.png\", \"truth\": {\"hp\": 30, \"name\": \"A\"}}\n");
  }
  void manifest(const std::string& text) {
    ASSERT_TRUE(write_file(folder_.path() / "manifest.jsonl", text).has_value());
  }
  [[nodiscard]] Finished evaluate(const std::string& model,
                                  std::vector<std::string> more = {"--json"}) const {
    more.insert(more.begin(), {"evaluate", "--model", model, "--data", folder_.path().string()});
    return run(more);
  }

  test::TemporaryFolder folder_;
};

TEST_F(EvaluateTest, PrintsOneObjectWithAResultForEachModel) {
  const std::string model = tiny_model().string();
  const auto done = evaluate(model + "," + model);
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json json = Json::parse(done.out);
  ASSERT_EQ(json["results"].size(), 2U);
  const Json& result = json["results"][0];
  EXPECT_EQ(result["model"], "smolvlm-tiny-f32");
  EXPECT_EQ(result["n"], 1);
  EXPECT_EQ(result["accuracy"], 0.0);
  EXPECT_EQ(result["fields"].dump(), R"({"name":0.0,"hp":0.0})");
  EXPECT_TRUE(result["latency_ms"]["p50"].is_number());
}

TEST_F(EvaluateTest, TwoModelsAreComparedPictureByPicture) {
  const std::string model = tiny_model().string();
  const Json json = Json::parse(evaluate(model + "," + model).out);
  ASSERT_EQ(json["paired"].size(), 1U);
  EXPECT_EQ(json["paired"][0]["a"], "smolvlm-tiny-f32");
  EXPECT_EQ(json["paired"][0]["b"], "smolvlm-tiny-f32");
  EXPECT_EQ(json["paired"][0]["difference"], 0.0);
  EXPECT_EQ(json["paired"][0]["interval95"].size(), 2U);
  EXPECT_THAT(evaluate(model + "," + model, {}).out, HasSubstr("smolvlm-tiny-f32 less smolvlm-tiny-f32: "));
}

TEST_F(EvaluateTest, OneModelIsComparedWithNone) {
  const Json json = Json::parse(evaluate(tiny_model().string()).out);
  EXPECT_FALSE(json.contains("paired"));
}

TEST_F(EvaluateTest, TheCascadeNamesTheStrategyThatAnswers) {
  const auto models = folder_.path() / "share/fovea/models";
  std::filesystem::create_directories(models);
  for (const char* name : {"card-reader-s", "card-reader-m"}) {
    std::filesystem::copy(tiny_model(), models / name, std::filesystem::copy_options::recursive);
  }
  const Environment registry{{"XDG_DATA_HOME", (folder_.path() / "share").string()}};
  const auto evaluated = [&](const std::string& form) {
    std::vector<std::string> command{"evaluate", "--model", "cascade", "--data", folder_.path().string()};
    if (!form.empty()) command.push_back(form);
    return run(command, {.environment = registry});
  };
  const Json single = Json::parse(evaluated("--json").out)["results"][0];
  EXPECT_EQ(single["model"], "cascade");
  EXPECT_EQ(single["strategy"], "single");
  EXPECT_FALSE(single.contains("threshold"));
  EXPECT_THAT(evaluated("").out, HasSubstr("single: card-reader-m alone; no threshold is stored"));

  const Json task = Json::parse(run({"tasks", "show", "trading-card", "--json"}).out);
  const Json answer = Json::parse(run({"recognize", "--model", (models / "card-reader-s").string(), "--json",
                                       (folder_.path() / "a.png").string()})
                                      .out);
  const Json stored{{"trading-card",
                     {{"threshold", 1.0},
                      {"task_digest", task["digest"]},
                      {"fast_version", answer["model_version"]},
                      {"accurate", "card-reader-m"},
                      {"accurate_version", answer["model_version"]}}}};
  ASSERT_TRUE(write_file(models / "card-reader-s/cascade.json", stored.dump()).has_value());
  const Json cascade = Json::parse(evaluated("--json").out)["results"][0];
  EXPECT_EQ(cascade["strategy"], "cascade");
  EXPECT_EQ(cascade["threshold"], 1.0);
  EXPECT_EQ(cascade["escalated"], 1.0);
  EXPECT_THAT(evaluated("").out,
              AllOf(HasSubstr("cascade: card-reader-s where it is at least 1 sure, else card-reader-m"),
                    HasSubstr("escalated             100.00 %")));
}

TEST_F(EvaluateTest, PrintsATableForPeople) {
  const auto done = evaluate(tiny_model().string(), {});
  EXPECT_THAT(done.out,
              AllOf(HasSubstr("whole record"), HasSubstr("95 % interval"), HasSubstr("median time")));
}

TEST_F(EvaluateTest, AWrongManifestIsNamedWithItsLine) {
  manifest("{\"image\": \"a.png\", \"truth\": {}}\nnonsense\n");
  const auto done = evaluate(tiny_model().string());
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("manifest.jsonl:2: "));
  EXPECT_EQ(done.out, "");
}

TEST_F(EvaluateTest, AnEmptyManifestAndNoModelAreErrors) {
  manifest("");
  EXPECT_EQ(evaluate(tiny_model().string()).exit_code, 1);
  EXPECT_EQ(evaluate(",").exit_code, 2);
}

TEST_F(EvaluateTest, AMissingFolderIsNamed) {
  const auto done = run({"evaluate", "--model", tiny_model().string(), "--data", "/nonexistent"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("/nonexistent/manifest.jsonl"));
}

}  // namespace
}  // namespace fovea::cli
