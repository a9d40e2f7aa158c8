#include "recognize/turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fovea::recognize {
namespace {

using testing::ElementsAre;

image::Image picture(int width, int height) {
  return {.width = width, .height = height, .rgb = {}};
}

Reading reading(const char* name, std::vector<double> logprobs) {
  Reading made;
  made.fields["name"] = name;
  for (const double logprob : logprobs) made.logprobs.emplace_back("field", logprob);
  made.timings = {
      .queue_ms = 1, .image_ms = 2, .vision_ms = 3, .prefill_ms = 4, .decode_ms = 5, .total_ms = 0};
  return made;
}

TEST(TurnsTest, OnlyALyingPictureOfWhatStandsIsTurned) {
  tasks::Task task;
  EXPECT_THAT(turns_of(task, picture(200, 100)), ElementsAre(1));
  task.portrait = true;
  EXPECT_THAT(turns_of(task, picture(200, 100)), ElementsAre(6, 8, 1));
  EXPECT_THAT(turns_of(task, picture(100, 200)), ElementsAre(1));
  EXPECT_THAT(turns_of(task, picture(100, 100)), ElementsAre(1));
}

TEST(TurnsTest, TheSurerReadingStaysWhicheverCameFirst) {
  for (const bool surer_first : {true, false}) {
    std::optional<Reading> best;
    keep_surer(best, surer_first ? reading("sure", {-0.1, -0.2}) : reading("unsure", {-0.01, -2}));
    keep_surer(best, surer_first ? reading("unsure", {-0.01, -2}) : reading("sure", {-0.1, -0.2}));
    EXPECT_EQ(best->fields["name"], "sure");
    EXPECT_EQ(best->timings.vision_ms, 6);
    EXPECT_EQ(best->timings.decode_ms, 10);
  }
}

TEST(TurnsTest, AnErrorTakesNoReadingsPlaceAndTheFirstErrorIsTold) {
  std::optional<Reading> best;
  Reading first, second;
  first.error = Error{ErrorCode::kInvalidOutput, "first"};
  second.error = Error{ErrorCode::kOverloaded, "second"};
  keep_surer(best, first);
  keep_surer(best, second);
  EXPECT_EQ(best->error->message, "first");
  keep_surer(best, reading("read", {-3}));
  EXPECT_FALSE(best->error.has_value());
  keep_surer(best, second);
  EXPECT_EQ(best->fields["name"], "read");
}

}  // namespace
}  // namespace fovea::recognize
