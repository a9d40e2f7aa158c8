// GET /metrics and GET /stats: that what happened can be read there, and by Prometheus itself.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/file.h"
#include "base/temporary_folder.h"
#include "server/server_fixture.h"
#include "support/shell.h"

namespace fovea::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MetricsTest : public ServerTest {
 protected:
  std::string metrics() { return ask(make_request("GET", "/metrics")).body; }

  /// Something of everything.
  void use_it() {
    post("/recognize", "picture");
    post("/recognize", "CACHED");
    post("/recognize", "BAD");
    ask(make_request("GET", "/an/invented/path"));
    post("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "x"}]})",
         "Content-Type: application/json\r\n");
    options_.metrics->observe_queue_wait(0.001);
    options_.metrics->observe_time_to_first_token(0.2);
    options_.metrics->observe_time_per_token(0.01);
    options_.metrics->observe_decode_batch(3);
    options_.metrics->observe_vision_batch(4);
    log_->wait_for_lines(5);  // a request is counted once its answer has been sent, and then logged
  }
  void SetUp() override {
    options_.metrics = std::make_shared<metrics::Metrics>();
    start();
  }

  static std::string run(const std::string& command) {
    return test::shell(command + " 2>&1; echo \"exit $?\"");
  }

  test::TemporaryFolder folder_;
};

TEST_F(MetricsTest, CountsRequestsByRouteAndNotByPath) {
  use_it();
  const std::string text = metrics();
  EXPECT_THAT(
      text, HasSubstr("fovea_http_requests_total{endpoint=\"/recognize\",method=\"POST\",status=\"200\"} 2"));
  EXPECT_THAT(
      text, HasSubstr("fovea_http_requests_total{endpoint=\"/recognize\",method=\"POST\",status=\"422\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("fovea_http_requests_total{endpoint=\"other\",method=\"GET\",status=\"404\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("invented")));
}

TEST_F(MetricsTest, TellsAnswersByTaskModelAndTier) {
  use_it();
  const std::string text = metrics();
  EXPECT_THAT(
      text,
      HasSubstr("fovea_answer_duration_seconds_count{model=\"fake\",task=\"trading-card\",tier=\"none\"} 2"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "fovea_answer_duration_seconds_count{model=\"fake\",task=\"trading-card\",tier=\"memory\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("fovea_answer_duration_seconds_count{model=\"fake\",task=\"chat\",tier=\"none\"} 1"));
  EXPECT_THAT(text, HasSubstr("fovea_errors_total{type=\"invalid_image\"} 1"));
  EXPECT_THAT(text, HasSubstr("fovea_decisions_total{model=\"fake\",rule=\"single\"} 3"));
  EXPECT_THAT(text, HasSubstr("fovea_tokens_total{kind=\"prompt\",model=\"fake\"} 10"));
  EXPECT_THAT(text, HasSubstr("fovea_tokens_total{kind=\"completion\",model=\"fake\"} 4"));
}

TEST_F(MetricsTest, PassesOnWhatTheBackendKnows) {
  const std::string text = metrics();
  EXPECT_THAT(text, HasSubstr("fovea_cache_hits_total{tier=\"memory\"} 3"));
  EXPECT_THAT(text, HasSubstr("fovea_cache_available{tier=\"memory\"} 1"));
  EXPECT_THAT(text, HasSubstr("fovea_queue_depth{priority=\"normal\"} 0"));
  EXPECT_THAT(text, HasSubstr("fovea_kv_used_bytes 1024"));
  EXPECT_THAT(text, HasSubstr("fovea_vision_reused_tiles_total 8"));
  EXPECT_THAT(text, HasSubstr("process_cpu_seconds_total"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

TEST_F(MetricsTest, CountsWhatIsShed) {
  post("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "OVERLOADED"}]})",
       "Content-Type: application/json\r\n");
  post("/recognize", "LATE");
  log_->wait_for_lines(2);
  const std::string text = metrics();
  EXPECT_THAT(text, HasSubstr("fovea_shed_total{reason=\"overloaded\"} 1"));
  EXPECT_THAT(text, HasSubstr("fovea_shed_total{reason=\"deadline_exceeded\"} 1"));
}

TEST_F(MetricsTest, TheStatsAreTheSameFigures) {
  use_it();
  const auto stats = json_of(ask(make_request("GET", "/stats")));
  EXPECT_GE(stats["uptime_s"], 0);
  const auto& latency = stats["metrics"]["fovea_answer_duration_seconds"];
  ASSERT_EQ(latency.size(), 3U) << stats.dump(1);
  for (const auto& one : latency) {
    EXPECT_LE(one["p50"], one["p95"]);
    EXPECT_LE(one["p95"], one["p99"]);
  }
  EXPECT_EQ(stats["metrics"]["fovea_time_per_token_seconds"]["count"], 1);
  EXPECT_EQ(stats["backend"]["kv"]["used_bytes"], 1024);
}

TEST_F(MetricsTest, PromtoolFindsNothingToSay) {
  if (run("promtool --version").ends_with("exit 127\n")) GTEST_SKIP() << "promtool is not installed";
  use_it();
  const std::string path = (folder_.path() / "metrics").string();
  ASSERT_TRUE(write_file(path, metrics()));
  EXPECT_EQ(run("promtool check metrics < '" + path + "'"), "exit 0\n");
}

}  // namespace
}  // namespace fovea::testing
