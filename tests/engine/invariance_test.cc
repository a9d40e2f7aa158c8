#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "engine/generator.h"
#include "models/smolvlm/model.h"
#include "support/golden.h"

// Batching never changes an answer: the order of every sum is fixed by the model alone. These tests compare
// bits, not distances.

namespace fovea::engine {
namespace {

using models::smolvlm::Cache;
using models::smolvlm::Model;

std::vector<float> random_values(std::size_t size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(size);
  for (float& value : values) value = normal(generator);
  return values;
}

struct Form {
  nn::Precision precision;
  std::optional<nn::KeyValueType> key_values = {};
};

class InvarianceTest : public testing::TestWithParam<Form> {
 protected:
  void SetUp() override {
    auto loaded = Model::load(test::golden_folder("smolvlm-tiny-f32"),
                              {.precision = GetParam().precision, .key_values = GetParam().key_values});
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    model_ = std::move(*loaded);
  }

  std::vector<float> encode(const std::vector<float>& pixels, std::size_t frames, std::size_t threads) {
    WorkerTeam team(threads);
    const nn::Compute compute{*kernels::active_kernels().value(), team};
    std::vector<float> features(frames * model_->config().tokens_per_frame() * hidden_size());
    models::smolvlm::VisionTower::Workspace workspace;
    model_->vision().encode(compute, workspace, pixels.data(), frames, features.data());
    return features;
  }

  /// Last hidden states of a prompt that is run in pieces of these sizes.
  std::vector<float> forward(std::vector<float> hidden, const std::vector<std::size_t>& pieces,
                             std::size_t threads) {
    WorkerTeam team(threads);
    const nn::Compute compute{*kernels::active_kernels().value(), team};
    Cache cache = model_->text().make_cache(hidden.size() / hidden_size());
    std::size_t at = 0;
    for (const std::size_t piece : pieces) {
      model_->text().forward(compute, hidden.data() + at * hidden_size(), piece, cache);
      at += piece;
    }
    EXPECT_EQ(at * hidden_size(), hidden.size());
    return hidden;
  }

  [[nodiscard]] std::size_t hidden_size() const { return model_->config().text.hidden_size; }

  std::unique_ptr<Model> model_;
};

TEST_P(InvarianceTest, AFrameIsTheSameAloneAndAmongOthersAndOnAnyNumberOfThreads) {
  constexpr std::size_t kFrames = 19;  // more than one batch of this model
  const std::size_t side = model_->config().vision.image_size;
  const std::size_t frame_pixels = 3 * side * side;
  const auto pixels = random_values(kFrames * frame_pixels, 1);
  const auto together = encode(pixels, kFrames, 1);
  EXPECT_EQ(encode(pixels, kFrames, 2), together);
  EXPECT_EQ(encode(pixels, kFrames, 5), together);
  const std::size_t frame_features = together.size() / kFrames;
  for (std::size_t frame = 0; frame < kFrames; ++frame) {
    const auto pixel = pixels.begin() + static_cast<std::ptrdiff_t>(frame * frame_pixels);
    const auto feature = together.begin() + static_cast<std::ptrdiff_t>(frame * frame_features);
    EXPECT_EQ(encode({pixel, pixel + static_cast<std::ptrdiff_t>(frame_pixels)}, 1, 2),
              std::vector<float>(feature, feature + static_cast<std::ptrdiff_t>(frame_features)));
  }
}

TEST_P(InvarianceTest, AFrameIsTheSameHoweverItsPassIsCutAndWhateverIsLeftOutOfIt) {
  constexpr std::size_t kFrames = 5;
  const std::size_t side = model_->config().vision.image_size;
  const std::size_t frame_pixels = 3 * side * side;
  const auto pixels = random_values(kFrames * frame_pixels, 4);
  const auto expected = encode(pixels, kFrames, 1);
  const std::size_t frame_features = expected.size() / kFrames;
  WorkerTeam team(2);
  const nn::Compute compute{*kernels::active_kernels().value(), team};
  models::smolvlm::VisionTower::Workspace workspace;  // every pass finds what the one before it left
  // After so many steps the middle frame is left out: before the first, between two frames, within a block.
  for (const std::size_t drop_after : {0U, 1U, 2U, 7U, 8U, 30U}) {
    SCOPED_TRACE(drop_after);
    models::smolvlm::VisionTower::Pass pass(
        model_->vision(), workspace,
        [&](std::size_t first, std::size_t) { return pixels.data() + first * frame_pixels; }, kFrames);
    std::size_t step = 0;
    for (; !pass.finished(); ++step) {
      if (step == drop_after) pass.drop(2);
      const std::size_t most = step % 3 + 1;
      pass.step(compute, most);
      EXPECT_LE(pass.step_frames(), 3U);
      EXPECT_GE(pass.step_frames(), 1U);
    }
    ASSERT_GT(step, drop_after);
    for (const std::size_t frame : {0U, 1U, 3U, 4U}) {
      const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(frame * frame_features);
      EXPECT_EQ(std::vector<float>(pass.features() + frame * frame_features,
                                   pass.features() + (frame + 1) * frame_features),
                std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(frame_features)));
    }
  }
}

TEST_P(InvarianceTest, APassWithoutAFrameLeftIsFinished) {
  const std::size_t side = model_->config().vision.image_size;
  const auto pixels = random_values(2 * 3 * side * side, 5);
  WorkerTeam team(1);
  const nn::Compute compute{*kernels::active_kernels().value(), team};
  models::smolvlm::VisionTower::Workspace workspace;
  models::smolvlm::VisionTower::Pass pass(
      model_->vision(), workspace,
      [&](std::size_t first, std::size_t) { return pixels.data() + first * 3 * side * side; }, 2);
  pass.step(compute, 2);
  pass.step(compute, 2);
  pass.drop(0);
  EXPECT_FALSE(pass.finished());
  pass.drop(1);
  EXPECT_TRUE(pass.finished());
}

TEST_P(InvarianceTest, APromptIsTheSameWholeInPiecesAndTokenByToken) {
  constexpr std::size_t kTokens = 300;  // more than one chunk of attention
  const auto hidden = random_values(kTokens * hidden_size(), 2);
  const auto whole = forward(hidden, {kTokens}, 1);
  EXPECT_EQ(forward(hidden, {kTokens}, 2), whole);
  EXPECT_EQ(forward(hidden, {kTokens}, 3), whole);
  EXPECT_EQ(forward(hidden, {1, 24, 250, 24, 1}, 2), whole);
  EXPECT_EQ(forward(hidden, std::vector<std::size_t>(kTokens, 1), 2), whole);
}

TEST_P(InvarianceTest, LogitsOfARowAreTheSameAloneAndAmongOthers) {
  constexpr std::size_t kRows = 9;
  const std::size_t vocab = model_->config().text.vocab_size;
  const auto hidden = random_values(kRows * hidden_size(), 3);
  WorkerTeam team(2);
  const nn::Compute compute{*kernels::active_kernels().value(), team};
  std::vector<float> together(kRows * vocab);
  model_->text().logits(compute, hidden.data(), kRows, together.data());
  for (std::size_t row = 0; row < kRows; ++row) {
    std::vector<float> alone(vocab);
    model_->text().logits(compute, hidden.data() + row * hidden_size(), 1, alone.data());
    const auto begin = together.begin() + static_cast<std::ptrdiff_t>(row * vocab);
    EXPECT_EQ(alone, std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(vocab)));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryPrecision, InvarianceTest,
                         testing::Values(Form{nn::Precision::kF32}, Form{nn::Precision::kBF16},
                                         Form{nn::Precision::kInt8}, Form{nn::Precision::kInt4},
                                         Form{nn::Precision::kBF16, nn::KeyValueType::kInt8},
                                         Form{nn::Precision::kInt8, nn::KeyValueType::kInt8}),
                         [](const auto& info) {
                           return std::string(nn::precision_name(info.param.precision)) +
                                  (info.param.key_values ? "_kv_int8" : "");
                         });

}  // namespace
}  // namespace fovea::engine
