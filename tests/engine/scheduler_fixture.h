#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/scheduler.h"
#include "support/golden.h"

namespace fovea::engine {

/// The tiny reference model, and requests to schedulers of it.
class SchedulerFixture : public testing::Test {
 protected:
  explicit SchedulerFixture(nn::Precision precision = nn::Precision::kF32,
                            std::optional<nn::KeyValueType> key_values = {})
      : options_{.model = {.precision = precision, .key_values = key_values}, .threads = 2} {}

  void SetUp() override {
    auto opened = LoadedModel::open(golden_.folder(), options_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    loaded_ = std::move(*opened);
  }

  std::unique_ptr<Scheduler> make(const SchedulerOptions& options = {}, Observer* observer = nullptr) {
    return std::make_unique<Scheduler>(loaded_->model(), loaded_->tokenizer(), loaded_->vocabulary(),
                                       loaded_->compute(), options, observer);
  }

  GenerationRequest ask(const image::Image* picture, const std::string& text, Generation* result,
                        std::size_t tokens = 20, Detail detail = Detail::kFull) {
    Turn turn{.role = "user", .content = {}};
    if (picture != nullptr) turn.content.emplace_back(picture);
    turn.content.emplace_back(text);
    GenerationRequest request;
    request.prompt = make_prompt(loaded_->config(), loaded_->tokenizer(), {&turn, 1}, detail).value();
    request.max_new_tokens = tokens;
    request.sampling.logprobs = true;
    request.on_done = [result](Generation done) { *result = std::move(done); };
    return request;
  }

  /// What a request gets from a scheduler that has nothing else to do.
  Generation alone(GenerationRequest request) {
    Generation result;
    request.on_done = [&](Generation done) { result = std::move(done); };
    auto scheduler = make({.prefix_entries = 0});
    scheduler->add(std::move(request));
    run(*scheduler);
    return result;
  }

  static void run(Scheduler& scheduler) {
    while (!scheduler.idle()) scheduler.step();
  }

  static std::vector<float> logprobs(const Generation& generation) {
    std::vector<float> values;
    for (const TokenLogprob& token : generation.tokens) values.push_back(token.logprob);
    return values;
  }

  static image::Image noise(int width, int height, std::uint32_t seed) {
    std::mt19937 random(seed);
    image::Image picture{.width = width, .height = height, .rgb = {}};
    picture.rgb.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
    for (auto& value : picture.rgb) value = static_cast<std::uint8_t>(random());
    return picture;
  }

  GeneratorOptions options_;
  test::Golden golden_{"smolvlm-tiny-f32"};
  std::unique_ptr<LoadedModel> loaded_;
};

}  // namespace fovea::engine
