#include <gtest/gtest.h>

#include <stop_token>

#include "engine/scheduler_fixture.h"

// Whose frames go through the tower together, how far a step of them goes beside an answer, and what becomes
// of the frames of those who leave.

namespace fovea::engine {
namespace {

// Of vision no more than one step between two batches of text, whatever it takes.
constexpr double kOneStep = 1e-9;

class Batches : public Observer {
 public:
  void vision_batch(std::size_t frames) override { sizes.push_back(frames); }
  std::vector<std::size_t> sizes;
};

class VisionBatchTest : public SchedulerFixture {
 protected:
  void SetUp() override {
    SchedulerFixture::SetUp();
    for (std::uint32_t i = 0; i < 6; ++i) pictures_.push_back(noise(90, 70, i));
  }

  /// A question on a picture that is one frame.
  GenerationRequest look(std::size_t picture, Generation* result) {
    return ask(&pictures_[picture], "What is this?", result, 10, Detail::kGlance);
  }

  /// An answer that goes on for long.
  GenerationRequest stream(Generation* result) {
    auto request = ask(nullptr, "Hello", result, 400);
    request.sampling.ignore_eos = true;
    return request;
  }

  void expect_as_alone(std::size_t picture, const Generation& result) {
    ASSERT_FALSE(result.error.has_value()) << result.error->message;
    Generation single;
    single = alone(look(picture, &single));
    EXPECT_EQ(result.token_ids, single.token_ids);
    EXPECT_EQ(logprobs(result), logprobs(single));
  }

  /// Of the pictures from the first on.
  void expect_all_as_alone(const std::vector<Generation>& results) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      SCOPED_TRACE(i);
      expect_as_alone(i, results[i]);
    }
  }

  /// Steps of the tower that one frame needs by itself.
  std::size_t steps_of_one_frame() {
    Generation ignored;
    auto scheduler = make();
    scheduler->add(look(0, &ignored));
    run(*scheduler);
    return scheduler->statistics().vision_steps;
  }

  std::vector<image::Image> pictures_;
};

TEST_F(VisionBatchTest, FramesOfDifferentRequestsGoThroughTheTowerTogetherFourByDefault) {
  Batches batches;
  std::vector<Generation> results(6);
  auto scheduler = make({}, &batches);
  for (std::size_t i = 0; i < results.size(); ++i) scheduler->add(look(i, &results[i]));
  run(*scheduler);
  EXPECT_EQ(batches.sizes, (std::vector<std::size_t>{4, 2}));
  expect_all_as_alone(results);
}

TEST_F(VisionBatchTest, BesideAnAnswerAStepDoesOneFrameWhereMoreWouldHoldItUp) {
  Batches batches;
  Generation streamed;
  std::vector<Generation> results(4);
  auto scheduler = make({.slice_ms = kOneStep}, &batches);
  scheduler->add(stream(&streamed));
  scheduler->step();
  for (std::size_t i = 0; i < results.size(); ++i) scheduler->add(look(i, &results[i]));
  while (batches.sizes.empty()) {
    const auto before = scheduler->statistics();
    scheduler->step();
    const auto after = scheduler->statistics();
    ASSERT_GT(after.decode_steps, before.decode_steps) << "the answer waited";
    ASSERT_LE(after.vision_steps, before.vision_steps + 1);
    ASSERT_EQ(after.vision_step_frames - before.vision_step_frames, after.vision_steps - before.vision_steps);
  }
  EXPECT_EQ(batches.sizes, (std::vector<std::size_t>{4})) << "they share the pass all the same";
  run(*scheduler);
  expect_all_as_alone(results);
}

TEST_F(VisionBatchTest, AnAnswerThatBeginsDuringAPassMakesItsStepsShort) {
  Batches batches;
  Generation streamed;
  std::vector<Generation> results(4);
  auto scheduler = make({.slice_ms = kOneStep}, &batches);
  for (std::size_t i = 0; i < results.size(); ++i) scheduler->add(look(i, &results[i]));
  for (int i = 0; i < 2; ++i) scheduler->step();
  EXPECT_EQ(scheduler->statistics().vision_step_frames, 8U) << "without an answer four frames a step";
  scheduler->add(stream(&streamed));
  // What began a block together ends it together, in steps that the answer goes between.
  for (int i = 0; i < 5; ++i) {
    const auto before = scheduler->statistics();
    scheduler->step();
    EXPECT_GT(scheduler->statistics().decode_steps, before.decode_steps);
  }
  while (batches.sizes.empty()) {
    const auto before = scheduler->statistics();
    scheduler->step();
    const auto after = scheduler->statistics();
    ASSERT_GT(after.decode_steps, before.decode_steps) << "the answer waited";
    ASSERT_EQ(after.vision_step_frames - before.vision_step_frames, 1U);
  }
  run(*scheduler);
  expect_all_as_alone(results);
}

TEST_F(VisionBatchTest, AnAnswerWaitsForAChunkOfAPromptOrForVisionAndNotForBoth) {
  Generation streamed, looking, reading;
  auto scheduler = make({.slice_ms = kOneStep});
  scheduler->add(stream(&streamed));
  scheduler->step();
  scheduler->add(look(0, &looking));
  std::string words;
  for (int i = 0; i < 200; ++i) words += "word ";
  scheduler->add(ask(nullptr, words, &reading));
  std::size_t both = 0, prompts = 0, vision = 0;
  while (reading.token_ids.empty()) {
    const auto before = scheduler->statistics();
    scheduler->step();
    const auto after = scheduler->statistics();
    const bool prompt = after.text_rows - before.text_rows > 3;  // more than a token of each
    const bool tower = after.vision_steps > before.vision_steps;
    prompts += prompt ? 1 : 0;
    vision += tower ? 1 : 0;
    both += prompt && tower ? 1 : 0;
  }
  EXPECT_EQ(both, 0U);
  EXPECT_GT(prompts, 1U);
  EXPECT_GT(vision, 1U);
}

TEST_F(VisionBatchTest, FramesOfAHigherClassGoFirst) {
  std::vector<int> order;
  auto scheduler = make({.vision_batch = 1, .slice_ms = kOneStep});
  const image::Image large = noise(600, 400, 7);
  Generation ignored;
  auto many = ask(&large, "What is this?", &ignored, 3);
  ASSERT_GT(many.prompt.frames.size(), 2U);
  many.on_done = [&](Generation) { order.push_back(0); };
  scheduler->add(std::move(many));
  scheduler->step();
  auto urgent = look(0, &ignored);
  urgent.priority = Priority::kHigh;
  urgent.on_done = [&](Generation) { order.push_back(1); };
  scheduler->add(std::move(urgent));
  run(*scheduler);
  EXPECT_EQ(order, (std::vector<int>{1, 0}));
}

TEST_F(VisionBatchTest, AFrameInTheTowerIsLeftWithinAStepWhenNobodyWantsItAnyMore) {
  const std::size_t one_frame = steps_of_one_frame();
  Batches batches;
  Generation left, next;
  std::stop_source stop;
  auto scheduler = make({.slice_ms = kOneStep}, &batches);
  auto request = look(0, &left);
  request.stop = stop.get_token();
  scheduler->add(std::move(request));
  for (int i = 0; i < 3; ++i) scheduler->step();
  const std::size_t begun = scheduler->statistics().vision_steps;
  ASSERT_GT(begun, 0U);
  stop.request_stop();
  scheduler->step();
  ASSERT_TRUE(left.error.has_value());
  EXPECT_EQ(left.error->code, ErrorCode::kCancelled);
  EXPECT_TRUE(scheduler->idle());
  EXPECT_EQ(scheduler->statistics().vision_steps, begun);

  scheduler->add(look(1, &next));
  run(*scheduler);
  EXPECT_EQ(scheduler->statistics().vision_steps, begun + one_frame) << "the next request's frame alone";
  EXPECT_EQ(scheduler->statistics().frames_encoded, 1U);
  EXPECT_EQ(batches.sizes, (std::vector<std::size_t>{1}));
  expect_as_alone(1, next);
}

TEST_F(VisionBatchTest, AFrameThatWasLeftIsEncodedAnewForWhoAsksLater) {
  Generation left, again;
  std::stop_source stop;
  auto scheduler = make({.slice_ms = kOneStep});
  auto request = look(0, &left);
  request.stop = stop.get_token();
  scheduler->add(std::move(request));
  for (int i = 0; i < 3; ++i) scheduler->step();
  stop.request_stop();
  scheduler->step();
  scheduler->add(look(0, &again));
  run(*scheduler);
  EXPECT_EQ(again.frames_encoded, 1U);
  expect_as_alone(0, again);
}

TEST_F(VisionBatchTest, AFrameThatWasLeftBeforeItsTurnIsEncodedOnceForAllWhoAskLater) {
  Generation first, left, second, third;
  std::stop_source stop;
  auto scheduler = make({.vision_batch = 1, .slice_ms = kOneStep});
  scheduler->add(look(0, &first));
  auto request = look(1, &left);
  request.stop = stop.get_token();
  scheduler->add(std::move(request));
  scheduler->step();
  stop.request_stop();
  scheduler->step();
  scheduler->add(look(1, &second));
  while (scheduler->statistics().frames_encoded == 0) scheduler->step();
  const std::size_t steps = scheduler->statistics().vision_steps;
  while (scheduler->statistics().vision_steps == steps) scheduler->step();
  scheduler->add(look(1, &third));
  run(*scheduler);
  EXPECT_EQ(scheduler->statistics().frames_encoded, 2U);
  EXPECT_EQ(third.frames_encoded, 0U);
  expect_as_alone(1, second);
  expect_as_alone(1, third);
}

TEST_F(VisionBatchTest, AFrameThatAnotherWantsGoesOnWhenItsFirstRequesterLeaves) {
  const std::size_t one_frame = steps_of_one_frame();
  for (const bool in_the_same_step : {false, true}) {
    Generation left, stays;
    std::stop_source stop;
    auto scheduler = make({.slice_ms = kOneStep});
    auto request = look(0, &left);
    request.stop = stop.get_token();
    scheduler->add(std::move(request));
    for (int i = 0; i < 3; ++i) scheduler->step();
    scheduler->add(look(0, &stays));
    if (!in_the_same_step) scheduler->step();
    stop.request_stop();
    run(*scheduler);
    EXPECT_TRUE(left.error.has_value());
    EXPECT_EQ(scheduler->statistics().vision_steps, one_frame) << "nothing was begun again";
    expect_as_alone(0, stays);
  }
}

TEST_F(VisionBatchTest, OfAPassOnlyTheFramesThatNobodyWantsAreLeftOut) {
  for (const int steps : {1, 4, 9}) {
    SCOPED_TRACE(steps);
    Batches batches;
    std::vector<Generation> results(3);
    std::stop_source stop;
    auto scheduler = make({.slice_ms = kOneStep}, &batches);
    for (std::size_t i = 0; i < results.size(); ++i) {
      auto request = look(i, &results[i]);
      if (i == 1) request.stop = stop.get_token();
      scheduler->add(std::move(request));
    }
    for (int i = 0; i < steps; ++i) scheduler->step();
    stop.request_stop();
    run(*scheduler);
    EXPECT_TRUE(results[1].error.has_value());
    EXPECT_EQ(batches.sizes, (std::vector<std::size_t>{2}));
    EXPECT_EQ(scheduler->statistics().frames_encoded, 2U);
    expect_as_alone(0, results[0]);
    expect_as_alone(2, results[2]);
  }
}

}  // namespace
}  // namespace fovea::engine
