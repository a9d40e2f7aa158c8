#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <span>

#include "base/file.h"
#include "engine/generator.h"
#include "engine/scheduler_fixture.h"
#include "image/decode.h"
#include "support/lossless_webp.h"

// Frames are known by their pixels: neither the file that they came in nor where they stand matters.

namespace fovea::engine {
namespace {

class VisionReuseTest : public SchedulerFixture {};

TEST_F(VisionReuseTest, APictureInAnotherFileFormatSkipsTheTower) {
  const std::string png = read_file(golden_.folder() / "images/0_300x420_RGB.png").value();
  const image::Image from_png = image::decode_image(std::as_bytes(std::span(png))).value();
  const auto webp = test::as_lossless_webp(from_png);
  const image::Image from_webp = image::decode_image(webp).value();
  Generation first, other_question;
  auto scheduler = make();
  scheduler->add(ask(&from_png, "What is this?", &first));
  run(*scheduler);
  const std::size_t steps = scheduler->statistics().vision_steps;
  scheduler->add(ask(&from_webp, "And what is that?", &other_question));
  run(*scheduler);
  EXPECT_GT(first.frames_encoded, 0U);
  EXPECT_EQ(other_question.frames_encoded, 0U);
  EXPECT_EQ(scheduler->statistics().vision_steps, steps);
  Generation single;
  single = alone(ask(&from_webp, "And what is that?", &single));
  EXPECT_EQ(other_question.token_ids, single.token_ids);
  EXPECT_EQ(logprobs(other_question), logprobs(single));
}

TEST_F(VisionReuseTest, EqualTilesOfOnePictureAreEncodedOnce) {
  image::Image plain{.width = 300, .height = 300, .rgb = {}};
  plain.rgb.assign(std::size_t{3} * 300 * 300, 90);
  Generation result;
  auto request = ask(&plain, "What is this?", &result, 1);
  const std::size_t frames = request.prompt.frames.size();
  ASSERT_GT(frames, 2U);
  auto scheduler = make();
  scheduler->add(std::move(request));
  run(*scheduler);
  EXPECT_EQ(result.frames_encoded, 1U);
  EXPECT_EQ(scheduler->statistics().frames_encoded, 1U);
  EXPECT_EQ(scheduler->statistics().frames_reused, frames - 1);

  // What every tile by itself leads to.
  auto generator = Generator::open(golden_.folder(), options_).value();
  const auto expected =
      generator->generate({&plain, 1}, "What is this?", {.max_new_tokens = 1, .keep_tensors = true}).value();
  ASSERT_EQ(expected.tensors.frames, frames);
  const std::size_t vocab = loaded_->config().text.vocab_size;
  const auto last = std::span(expected.tensors.logits).last(vocab);
  EXPECT_EQ(result.token_ids.at(0), std::ranges::max_element(last) - last.begin());
}

}  // namespace
}  // namespace fovea::engine
