#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "support/micro_cnn.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

std::string golden(const std::string& name) {
  return test::micro_cnn_folder(name).string();
}

/// `fovea evaluate --report` and `fovea select` on the reference networks, whose weights are random.
class EvaluateReportTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(data());
    std::string manifest;
    for (const char* name : {"47x53.png", "48x48.png", "97x200.png", "640x480.png"}) {
      std::filesystem::copy(test::micro_cnn_folder("preprocess") / name, data());
      manifest += "{\"image\": \"" + std::string(name) + "\", \"truth\": {\"label\": \"basic\"}}\n";
    }
    ASSERT_TRUE(write_file(data() / "manifest.jsonl", manifest).has_value());
  }
  [[nodiscard]] std::filesystem::path data() const { return folder_.path() / "data"; }
  [[nodiscard]] std::filesystem::path report() const { return folder_.path() / "report"; }
  [[nodiscard]] std::vector<std::string> call(const std::string& models,
                                              const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"evaluate",    "--task", "pizza",     "--model", models,
                                       "--data",      data(),   "--report",  report(),  "--json",
                                       "--cold-runs", "1",      "--threads", "1"};
    if (std::ranges::find(more, "--load-seconds") == more.end()) {
      arguments.insert(arguments.end(), {"--load-seconds", "0"});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  [[nodiscard]] Json written() const {
    return parse_ordered_json(read_file(report() / "report.json").value(), "report").value();
  }

  test::TemporaryFolder folder_;
};

TEST_F(EvaluateReportTest, WritesEveryFigureOfEveryModel) {
  const auto done = run(call(golden("v1") + "," + golden("se4")));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  Json printed = Json::parse(done.out);
  ASSERT_EQ(printed["results"].size(), 2U);
  const Json& result = printed["results"][0];
  EXPECT_EQ(result["model"], "v1");
  EXPECT_EQ(result["n"], 4);
  EXPECT_TRUE(result["fields"].contains("label"));
  EXPECT_EQ(result["parameters"], 582);
  EXPECT_EQ(result["file_bytes"], std::filesystem::file_size(golden("v1") + "/model.safetensors"));
  EXPECT_GT(result["memory_bytes"], 1'000'000);
  EXPECT_GT(result["latency_ms"]["p50"], 0.0);
  EXPECT_EQ(result["latency_ms"]["cold"]["n"], 1);
  EXPECT_EQ(result["load"].size(), 4U);
  EXPECT_GT(result["throughput_per_s"], 0.0);
  EXPECT_TRUE(result["edge"]["fits"]);
  EXPECT_EQ(result["confusion"]["labels"].size(), 6U);
  EXPECT_TRUE(printed["complete"]);
  printed.erase("report");
  EXPECT_EQ(written().dump(), printed.dump());
  EXPECT_THAT(read_file(report() / "report.html").value(), HasSubstr("se4:f32"));
  EXPECT_THAT(read_file(report() / "report.md").value(), HasSubstr("| se4:f32 |"));
}

TEST_F(EvaluateReportTest, MemoryIsEachModelsOwn) {
  const auto done = run(call(tiny_model().string() + "," + golden("v1")));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json results = Json::parse(done.out)["results"];
  EXPECT_EQ(results[0]["model"], "smolvlm-tiny-f32");
  // In one process the second could not be less than the first.
  EXPECT_GT(results[0]["memory_bytes"], results[1]["memory_bytes"]);
  EXPECT_FALSE(results[0]["edge"]["fits"]);
  EXPECT_THAT(results[0]["edge"]["why"].get<std::string>(), HasSubstr("a language model"));
}

TEST_F(EvaluateReportTest, ARerunTakesWhatIsThereUntilSomethingChanges) {
  const auto first = run(call(golden("v1")));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("1/1 v1:f32: measured"));
  const auto second = run(call(golden("v1")));
  EXPECT_THAT(second.err, AllOf(HasSubstr("1/1 v1:f32: kept from an earlier run"), Not(HasSubstr("measur"))));
  EXPECT_EQ(second.out, first.out);
  EXPECT_THAT(run(call(golden("v1"), {"--memory-limit", "1GB"})).err, HasSubstr("kept"))
      << "the limit is applied to what was measured";
  ASSERT_TRUE(
      write_file(data() / "manifest.jsonl", "{\"image\": \"48x48.png\", \"truth\": {\"label\": \"burnt\"}}\n")
          .has_value());
  const auto other_data = run(call(golden("v1")));
  EXPECT_THAT(other_data.err, HasSubstr("1/1 v1:f32: measured"));
  EXPECT_EQ(written()["results"][0]["n"], 1);
}

TEST_F(EvaluateReportTest, InterruptedItLeavesAReportAndTheRerunMeasuresWhatIsMissing) {
  const auto three = call(golden("v1") + "," + golden("v2") + "," + golden("se4"), {"--load-seconds", "0.3"});
  Running running(three);
  ASSERT_TRUE(running.wait_for_line("2/3 v2:f32: measuring").has_value());
  running.signal(SIGINT);
  const auto stopped = running.wait();
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("interrupted: 1 of 3 variants"));
  EXPECT_FALSE(written()["complete"]);
  ASSERT_EQ(written()["results"].size(), 1U);
  EXPECT_THAT(read_file(report() / "report.html").value(), HasSubstr("Not complete"));

  const auto rest = run(three);
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.err, AllOf(HasSubstr("1/3 v1:f32: kept"), HasSubstr("2/3 v2:f32: measured"),
                              HasSubstr("3/3 se4:f32: measured")));
  EXPECT_TRUE(written()["complete"]);
  EXPECT_EQ(written()["results"].size(), 3U);
}

TEST_F(EvaluateReportTest, VariantsAreMadeOnceAndWhatAModelCannotBeIsSaid) {
  const auto variants = call(golden("v1"), {"--variants", "f32,bf16,int8", "--calibrate", data()});
  const auto done = run(variants);
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json json = written();
  ASSERT_EQ(json["results"].size(), 2U);
  EXPECT_EQ(json["results"][1]["variant"], "v1:int8");
  EXPECT_NE(json["results"][1]["version"], json["results"][0]["version"]);
  EXPECT_THAT(json["results"][1]["folder"].get<std::string>(), HasSubstr("report/models/v1-int8"));
  EXPECT_EQ(json["skipped"][0]["variant"], "v1:bf16");
  const auto made = std::filesystem::last_write_time(report() / "models/v1-int8/config.json");
  const auto again = run(variants);
  EXPECT_THAT(again.err, HasSubstr("2/2 v1:int8: kept"));
  EXPECT_EQ(std::filesystem::last_write_time(report() / "models/v1-int8/config.json"), made);
}

TEST_F(EvaluateReportTest, AModelThatCannotBeMeasuredDoesNotStopTheOthers) {
  // A network that tells other classes apart.
  const auto broken = folder_.path() / "broken";
  std::filesystem::copy(golden("v2"), broken);
  auto config = read_json_file(broken / "config.json").value();
  config["id2label"] = {{"0", "one"},  {"1", "two"},  {"2", "three"},
                        {"3", "four"}, {"4", "five"}, {"5", "six"}};
  ASSERT_TRUE(write_file(broken / "config.json", config.dump()).has_value());
  const auto done = run(call(broken.string() + "," + golden("v1")));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, AllOf(HasSubstr("cannot answer the task pizza"), HasSubstr("2/2 v1:f32: measured")));
  EXPECT_EQ(written()["skipped"][0]["variant"], "broken:f32");
  EXPECT_EQ(written()["results"].size(), 1U);
}

TEST_F(EvaluateReportTest, WrongCallsEndWith2) {
  const auto expect_usage = [&](const std::vector<std::string>& arguments, const char* message) {
    const auto done = run(arguments);
    EXPECT_EQ(done.exit_code, 2) << done.err;
    EXPECT_THAT(done.err, HasSubstr(message));
  };
  expect_usage({"evaluate", "--model", golden("v1"), "--data", data(), "--variants", "int8"}, "--report");
  expect_usage(call(golden("v1"), {"--variants", "int3"}), "there is: f32, bf16, int8, int4");
  expect_usage(call(golden("v1"), {"--variants", "int8"}), "--calibrate DIR");
  expect_usage(call(golden("v1") + ":bf16"), "a micro CNN computes in f32, int8 or int4");
  expect_usage(call(golden("v1"), {"--memory-limit", "2"}), "a size with its unit");
  expect_usage(call("cascade"), "single models");
}

TEST_F(EvaluateReportTest, SelectWritesADeploymentAndSaysWhy) {
  ASSERT_EQ(run(call(golden("v1") + "," + golden("se4"))).exit_code, 0);
  const auto done =
      run({"select", "--report", report(), "--require", "accuracy>=0", "--require", "memory<=20GB"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("primary"), HasSubstr("fallback"), HasSubstr("edge"),
                              HasSubstr("written: " + (report() / "deployment.toml").string())));
  EXPECT_THAT(
      read_file(report() / "deployment.toml").value(),
      AllOf(HasSubstr("[roles.primary]"), HasSubstr("name = \"pizza\""), HasSubstr("metric = \"memory\"")));
  const auto json = run({"select", "--report", report() / "report.json", "--prefer", "size", "--json",
                         "--output", folder_.path() / "else.toml"});
  EXPECT_EQ(Json::parse(json.out)["primary"]["variant"], "v1:f32");
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "else.toml"));
}

TEST_F(EvaluateReportTest, SelectEndsWith1WhereNothingFitsAnd2WhereNothingCanBeUnderstood) {
  ASSERT_EQ(run(call(golden("v1"))).exit_code, 0);
  const auto none = run({"select", "--report", report(), "--require", "size<=1B"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.out, AllOf(HasSubstr("The nearest:"), HasSubstr("v1:f32: size")));
  EXPECT_FALSE(std::filesystem::exists(report() / "deployment.toml"));
  const auto unknown = run({"select", "--report", report(), "--require", "speed>=3"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("latency_p95"));
  EXPECT_EQ(run({"select", "--report", report(), "--require", "memory<=2"}).exit_code, 2);
  EXPECT_EQ(run({"select", "--report", report(), "--prefer", "luck"}).exit_code, 2);
  const auto missing = run({"select", "--report", folder_.path() / "nowhere"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace fovea::cli
