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
