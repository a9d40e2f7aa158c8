#include "recognize/turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "image/decode.h"
#include "image/orientation.h"
#include "recognize/service.h"
#include "support/paths.h"
#include "support/temporary_folder.h"

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

TEST(TurnsTest, OnlyAPictureOfWhatStandsIsTurned) {
  tasks::Task task;
  EXPECT_THAT(turns_of(task, picture(200, 100)), ElementsAre(1));
  EXPECT_THAT(turns_of(task, picture(100, 200)), ElementsAre(1));
  task.portrait = true;
  EXPECT_THAT(turns_of(task, picture(200, 100)), ElementsAre(6, 8, 1));
  EXPECT_THAT(turns_of(task, picture(100, 200)), ElementsAre(1, 3));
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

/// Tells by which turn of a picture it was asked, as sure of it as it was told to be.
class TurnReader : public Reader {
 public:
  TurnReader(const image::Image& picture, std::map<int, double> sureness, std::vector<int>& turns)
      : sureness_(std::move(sureness)), turns_(turns) {
    for (const auto& [turn, sure] : sureness_) views_[turn] = image::apply_orientation(picture, turn);
  }

  [[nodiscard]] const ModelInfo& model() const override { return model_; }
  Result<void> learn(const tasks::Task&) override { return {}; }
  [[nodiscard]] std::map<std::string, std::string> parameters() const override { return {}; }
  [[nodiscard]] bool can_glance(const image::Image&) const override { return false; }
  void read(ReadRequest request, ReadingDone done) override {
    Reading made;
    made.error = Error{ErrorCode::kInternal, "turned as it should not be"};
    for (const auto& [turn, view] : views_) {
      if (view.width != request.picture.width || view.rgb != request.picture.rgb) continue;
      turns_.push_back(turn);
      made = reading(std::to_string(turn).c_str(), {});
      made.logprobs.emplace_back("name", std::log(sureness_[turn]));
    }
    done(std::move(made));
  }
  void chat(ChatRequest, ChatListener) override {}
  [[nodiscard]] std::size_t capacity() const override { return 1; }
  [[nodiscard]] int retry_after_s() const override { return 1; }
  [[nodiscard]] nlohmann::ordered_json stats() const override { return {}; }
  void stop() override {}

 private:
  const ModelInfo model_{.id = "turns", .version = "1"};
  std::map<int, double> sureness_;
  std::map<int, image::Image> views_;
  std::vector<int>& turns_;
};

class TurnedReadingTest : public testing::Test {
 protected:
  /// Reads a picture whose every turn the model is as sure of as `sureness` has it.
  Recognition read(const char* picture, const std::map<int, double>& sureness, const char* accept = "0.9") {
    turns_.clear();
    const test::TemporaryFolder folder;
    const std::string task = std::string("name = \"standing\"\nkind = \"fields\"\nprompt = \"Read it.\"\n") +
                             "portrait = true\n[thresholds]\naccept = " + accept +
                             "\n[[fields]]\nname = \"name\"\ntype = \"text\"\n";
    EXPECT_TRUE(write_file(folder.path() / "standing.toml", task).has_value());
    const std::vector<std::filesystem::path> tasks{folder.path()};
    ServiceOptions options{.model = folder.path()};
    options.tasks = std::make_shared<const tasks::TaskSet>(tasks::TaskSet::load(tasks).value());
    const std::string file =
        read_file(test::data_folder() / "golden/smolvlm-tiny-f32/images" / picture).value();
    const auto bytes = std::as_bytes(std::span(file));
    const image::Image decoded = image::decode_image(bytes, {}).value();
    const auto service =
        Service::open(options, std::make_unique<TurnReader>(decoded, sureness, turns_)).value();
    return recognize_now(*service, {.request_id = "", .file = "", .bytes = bytes, .task = "standing"});
  }

  static constexpr const char* kStands = "0_300x420_RGB.png";
  static constexpr const char* kLies = "1_1000x260_RGB.png";
  std::vector<int> turns_;
};

TEST_F(TurnedReadingTest, WhatStandsUpsideDownIsReadTurnedByAHalf) {
  const Recognition answer = read(kStands, {{1, 0.2}, {3, 0.8}});
  ASSERT_TRUE(answer.ok()) << answer.error->message;
  EXPECT_EQ(answer.fields["name"], "3");
  EXPECT_NEAR(answer.confidence["name"].get<double>(), 0.8, 1e-9);
  EXPECT_THAT(turns_, ElementsAre(1, 3));
  EXPECT_EQ(answer.timings.vision_ms, 6) << "of both readings";
}

TEST_F(TurnedReadingTest, TheReadingAsItCameStaysWhereItIsTheSurer) {
  EXPECT_EQ(read(kStands, {{1, 0.2}, {3, 0.1}}).fields["name"], "1");
  EXPECT_THAT(turns_, ElementsAre(1, 3));
}

TEST_F(TurnedReadingTest, WhatStandsIsReadOnceWhereThatLeavesLittleDoubt) {
  EXPECT_EQ(read(kStands, {{1, 0.6}, {3, 0.99}}).fields["name"], "1");
  EXPECT_THAT(turns_, ElementsAre(1));
  EXPECT_EQ(read(kStands, {{1, 0.2}, {3, 0.99}}, "0.1").fields["name"], "1") << "sure enough for the task";
  EXPECT_THAT(turns_, ElementsAre(1));
}

TEST_F(TurnedReadingTest, WhatLiesIsTurnedByAQuarterTheOtherWayAndNotAtAllAsLongAsThereIsAnyDoubt) {
  EXPECT_EQ(read(kLies, {{6, 0.95}, {8, 0.99}, {1, 0.99}}).fields["name"], "6");
  EXPECT_THAT(turns_, ElementsAre(6));
  EXPECT_EQ(read(kLies, {{6, 0.85}, {8, 0.95}, {1, 0.99}}).fields["name"], "8");
  EXPECT_THAT(turns_, ElementsAre(6, 8));
  EXPECT_EQ(read(kLies, {{6, 0.85}, {8, 0.7}, {1, 0.8}}).fields["name"], "6");
  EXPECT_THAT(turns_, ElementsAre(6, 8, 1));
}

}  // namespace
}  // namespace fovea::recognize
