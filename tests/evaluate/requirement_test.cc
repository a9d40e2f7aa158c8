#include "evaluate/requirement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluate/matrix_fixture.h"

namespace fovea::evaluate {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RequirementTest : public testing::Test {
 protected:
  [[nodiscard]] Verdict verdict(const std::string& text) const {
    const auto requirement = parse_requirement(text, metrics_of(matrix_));
    EXPECT_TRUE(requirement.has_value()) << text;
    return judge(matrix_, matrix_.variants.front(), *requirement);
  }
  [[nodiscard]] std::string refusal(const std::string& text) const {
    const auto requirement = parse_requirement(text, metrics_of(matrix_));
    EXPECT_FALSE(requirement.has_value()) << text;
    return requirement ? "" : requirement.error().message;
  }

  Matrix matrix_ = make_matrix({{.right = 80, .p95_ms = 100}});
};

TEST_F(RequirementTest, EveryMetricIsMeasuredAndComparedInItsUnit) {
  for (const char* met :
       {"accuracy>=0.8", "accuracy>=80%", "accuracy <= 0.8", "accuracy>0.79", "accuracy.label>=0.8",
        "accuracy.burnt>=0.8", "latency_p50<=50ms", "latency_p95<=0.1s", "cold_p50<=200ms", "cold_p95<=300ms",
        "throughput>=15/s", "memory<=500MB", "size<=20MB", "size<20.1MB", "parameters<=5M",
        "calibration_error<=3%", "concurrency>=16"}) {
    EXPECT_TRUE(verdict(met).met) << met;
  }
  for (const char* missed : {"accuracy>0.8", "accuracy.label>=0.81", "latency_p50<50ms", "latency_p95<=99ms",
                             "cold_p50<=199ms", "cold_p95<=299ms", "throughput>15/s", "memory<=499MB",
                             "size<20MB", "parameters<5M", "calibration_error<3%", "concurrency>=17"}) {
    EXPECT_FALSE(verdict(missed).met) << missed;
  }
}

TEST_F(RequirementTest, TheValueDecidesAndAnIntervalThatHoldsTheLimitIsTold) {
  const Verdict met = verdict("accuracy>=0.75");  // 80 of 100: 71.1 to 86.7 %
  EXPECT_TRUE(met.met);
  EXPECT_TRUE(met.straddles);
  EXPECT_EQ(
      met.text,
      "accuracy 80.0 %, required at least 75.0 %; its 95 % interval, 71.1 % to 86.7 %, holds the limit");
  const Verdict missed = verdict("accuracy>=0.85");
  EXPECT_FALSE(missed.met);
  EXPECT_TRUE(missed.straddles);
  EXPECT_FALSE(verdict("accuracy>=0.7").straddles);
  EXPECT_FALSE(verdict("accuracy>=0.9").straddles);
  EXPECT_FALSE(verdict("latency_p95<=100ms").straddles);
  EXPECT_TRUE(verdict("calibration_error<=4%").straddles);
}

TEST_F(RequirementTest, WhatWasNotMeasuredMeetsNothing) {
  Variant& variant = matrix_.variants.front();
  variant.reliability = {};
  variant.memory_bytes = 0;
  variant.warm = {};
  for (const char* text :
       {"calibration_error<=100%", "memory<=1TB", "latency_p95<=60min", "accuracy.done>=0"}) {
    const Verdict judged = verdict(text);
    EXPECT_FALSE(judged.met) << text;
    EXPECT_THAT(judged.text, HasSubstr("was not measured")) << text;
  }
}

TEST_F(RequirementTest, AnUnknownMetricIsRefusedWithThoseThereAre) {
  EXPECT_THAT(refusal("speed>=3"),
              AllOf(HasSubstr("no metric \"speed\""), HasSubstr("latency_p95"), HasSubstr("accuracy.burnt")));
  EXPECT_THAT(refusal("accuracy.hp>=3"), HasSubstr("no metric \"accuracy.hp\""));
}

TEST_F(RequirementTest, WhatCannotBeReadIsRefusedWithWhatWasExpected) {
  EXPECT_THAT(refusal("accuracy"), HasSubstr("expected METRIC>=VALUE"));
  EXPECT_THAT(refusal("accuracy=0.8"), HasSubstr("expected one of >=, >, <=, <, found ="));
  EXPECT_THAT(refusal("accuracy=>0.8"), HasSubstr("found =>"));
  EXPECT_THAT(refusal("latency_p95<=3"), HasSubstr("a time with its unit"));
  EXPECT_THAT(refusal("accuracy>="), HasSubstr("a share from 0 to 1"));
}

}  // namespace
}  // namespace fovea::evaluate
