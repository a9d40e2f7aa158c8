#include "routing/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "metrics/backend_figures.h"
#include "metrics/metrics.h"
#include "metrics/process_figures.h"
#include "metrics/summary.h"

namespace fovea::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

prometheus::ClientMetric::Histogram histogram(std::vector<std::pair<double, std::uint64_t>> buckets) {
  prometheus::ClientMetric::Histogram result;
  for (const auto& [bound, cumulative] : buckets) {
    result.bucket.push_back({.cumulative_count = cumulative, .upper_bound = bound});
  }
  result.sample_count = buckets.empty() ? 0 : buckets.back().second;
  return result;
}

TEST(QuantileTest, LiesInsideItsBucketInProportion) {
  const auto values = histogram({{1, 50}, {2, 100}, {4, 100}, {INFINITY, 100}});
  EXPECT_DOUBLE_EQ(quantile_of(values, 0.25), 0.5);
  EXPECT_DOUBLE_EQ(quantile_of(values, 0.50), 1.0);
  EXPECT_DOUBLE_EQ(quantile_of(values, 0.75), 1.5);
  EXPECT_DOUBLE_EQ(quantile_of(values, 1.00), 2.0);
}

TEST(QuantileTest, AboveTheLastBoundIsTheLastBound) {
  EXPECT_DOUBLE_EQ(quantile_of(histogram({{1, 0}, {2, 1}, {INFINITY, 10}}), 0.99), 2.0);
}

TEST(QuantileTest, OfNothingIsZero) {
  EXPECT_EQ(quantile_of(histogram({{1, 0}, {INFINITY, 0}}), 0.5), 0);
  EXPECT_EQ(quantile_of(histogram({}), 0.5), 0);
}

TEST(BackendFiguresTest, NamesWhatItKnowsAndLeavesTheRest) {
  const auto families = backend_figures(Json::parse(R"({
      "queue": {"waiting": {"high": 1, "normal": 2}, "running": 3}, "unheard": {"of": 5},
      "cache": {"redis": {"hits": 7, "state": "down", "entries": null}, "database": {"state": "disabled"}, "memory": 5},
      "kv": {"used_bytes": "many"}})"));
  ASSERT_EQ(families.size(), 4U);
  EXPECT_EQ(families[0].name, "fovea_queue_depth");
  ASSERT_EQ(families[0].metric.size(), 2U);
  EXPECT_EQ(families[0].metric[1].label[0].value, "normal");
  EXPECT_EQ(families[0].metric[1].gauge.value, 2);
  EXPECT_EQ(families[1].name, "fovea_sequences_running");
  EXPECT_EQ(families[2].name, "fovea_cache_hits_total");
  EXPECT_EQ(families[2].metric[0].counter.value, 7);
  EXPECT_EQ(families[3].name, "fovea_cache_available");
  ASSERT_EQ(families[3].metric.size(), 1U) << "a tier that is not there is neither up nor down";
  EXPECT_EQ(families[3].metric[0].gauge.value, 0);
}

TEST(BackendFiguresTest, TellsWhichModelsTheRouterMayAsk) {
  routing::RouterFigures figures;
  figures.models["accurate"] = {.counts = {.calls = 9, .errors = 4},
                                .breaker = {.state = routing::BreakerState::kOpen}};
  figures.models["fast"] = {.counts = {.calls = 5}};
  figures.tasks["trading-card"] = {.requests = 9, .fallbacks = 4};
  std::map<std::string, double> values;
  for (const auto& family : backend_figures(Json{{"router", figures.stats()}})) {
    for (const auto& metric : family.metric) {
      values[family.name + "/" + metric.label.at(0).value] = metric.gauge.value;
    }
  }
  EXPECT_EQ(values.at("fovea_model_calls_total/accurate"), 9);
  EXPECT_EQ(values.at("fovea_model_call_errors_total/accurate"), 4);
  EXPECT_EQ(values.at("fovea_model_admits_calls/accurate"), 0);
  EXPECT_EQ(values.at("fovea_model_admits_calls/fast"), 1);
  EXPECT_EQ(values.at("fovea_routed_requests_total/trading-card"), 9);
  EXPECT_EQ(values.at("fovea_routed_fallbacks_total/trading-card"), 4);
}

TEST(BackendFiguresTest, SurvivesWhatIsNoObject) {
  for (const char* text : {"null", "5", "[1, 2]", "{}", R"({"queue": [5], "cache": null})"}) {
    EXPECT_TRUE(backend_figures(Json::parse(text)).empty()) << text;
  }
}

TEST(ProcessFiguresTest, AreThere) {
  EXPECT_EQ(process_figures().size(), 5U);
}

TEST(MetricsTest, SaysNothingOfWhatHasNotHappened) {
  const Metrics metrics;
  EXPECT_THAT(metrics.text({}), Not(HasSubstr("fovea_http_requests_total")));
  EXPECT_THAT(metrics.text({}), HasSubstr("fovea_queue_wait_seconds_count 0"));
}

TEST(MetricsTest, CountsFromManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics, i] {
      for (int k = 0; k < 1000; ++k) {
        metrics.observe_request({.endpoint = "/x", .method = "GET", .status = 200 + i, .seconds = 0.001});
        metrics.observe_decode_batch(2);
        if (k % 100 == 0) (void)metrics.text({});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto summary = metrics.summary({})["metrics"];
  EXPECT_EQ(summary["fovea_decode_batch_sequences"]["count"], 4000);
  EXPECT_EQ(summary["fovea_http_request_duration_seconds"][0]["count"], 4000);
  EXPECT_EQ(summary["fovea_http_requests_total"].size(), 4U);
}

}  // namespace
}  // namespace fovea::metrics
