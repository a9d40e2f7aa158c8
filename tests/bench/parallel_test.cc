#include "bench/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "bench/picture.h"
#include "image/tiling.h"
#include "support/golden.h"

namespace fovea::bench {
namespace {

constexpr std::size_t kParallel = 3;

/// Counts what the engine does, and holds the first of the requests that come together until the others are
/// there: which of them is cut into tiles first is chance, and the model is so small that it could be done
/// with one before the next comes.
class Gathering : public engine::Observer {
 public:
  void started(double /*queue_ms*/) override {
    if (++started_ != 3) return;  // one to wake the engine, one by itself, then those
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (engine->pending() < kParallel && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
    arrived = engine->pending();
  }
  void text_batch(std::size_t sequences, std::size_t /*rows*/) override {
    most_sequences = std::max<std::size_t>(most_sequences, sequences);
  }
  void vision_batch(std::size_t count) override { frames += count; }

  engine::Engine* engine = nullptr;
  std::atomic<std::size_t> arrived = 0, most_sequences = 0, frames = 0;

 private:
  std::size_t started_ = 0;
};

class ParallelTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded =
        engine::LoadedModel::open(test::golden_folder("smolvlm-tiny-f32"), {.model = {}, .threads = 2});
    ASSERT_TRUE(loaded) << loaded.error().message;
    engine::EngineOptions options = parallel_options(kParallel);
    options.observer = &gathering_;
    engine_ = std::make_unique<engine::Engine>(std::move(*loaded), options);
    gathering_.engine = engine_.get();
  }

  Gathering gathering_;
  std::unique_ptr<engine::Engine> engine_;
};

TEST_F(ParallelTest, RequestsAreWithTheEngineTogetherAndShareItsBatches) {
  const auto result = measure_parallel(*engine_, kParallel, 1);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(gathering_.arrived, kParallel);
  EXPECT_EQ(gathering_.most_sequences, kParallel);
}

TEST_F(ParallelTest, EveryRequestHasAPictureThatTheEngineDoesNotKnow) {
  const auto result = measure_parallel(*engine_, kParallel, 2);
  ASSERT_TRUE(result) << result.error().message;
  const auto plan = image::plan_tiles({kPictureWidth, kPictureHeight}, engine_->config().tiling);
  EXPECT_EQ(gathering_.frames, (1 + 2 * (1 + kParallel)) * static_cast<std::size_t>(plan.frames()));
}

TEST_F(ParallelTest, AllRoundsCountAndTheLastAnswerEndsOne) {
  const auto result = measure_parallel(*engine_, kParallel, 2);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->parallel, kParallel);
  EXPECT_EQ(result->requests, 2 * kParallel);
  EXPECT_GT(result->alone_ms, 0);
  EXPECT_LE(result->p50_ms, result->p95_ms);
  EXPECT_GT(result->together_ms, 0);
  EXPECT_DOUBLE_EQ(result->requests_per_s, 1000.0 * kParallel / result->together_ms);
  EXPECT_DOUBLE_EQ(result->of_one_at_a_time(), result->together_ms / (kParallel * result->alone_ms));
}

TEST_F(ParallelTest, MoreRequestsThanAServersLineTakesAreNotRefused) {
  const engine::EngineOptions usual, options = parallel_options(256);
  EXPECT_GE(options.max_waiting + options.scheduler.max_sequences, 256U);
  EXPECT_EQ(options.scheduler.max_sequences, usual.scheduler.max_sequences);
  EXPECT_EQ(options.scheduler.key_value_bytes, usual.scheduler.key_value_bytes);
}

TEST_F(ParallelTest, AnEngineThatRefusesIsAnError) {
  engine_->stop();
  const auto result = measure_parallel(*engine_, kParallel, 1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace fovea::bench
