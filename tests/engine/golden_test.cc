#include "support/golden.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/generator.h"

namespace fovea::engine {
namespace {

/// Every reference folder of the family: what transformers computed in float32 on the same checkpoint.
struct Reference {
  std::string folder;
  /// The run that made smolvlm-tiny-bf16-tied cast the whole model to bfloat16 and back, its rotary
  /// frequencies too; the others were loaded with from_pretrained, which leaves them in float32.
  bool bf16_rope_frequencies = false;
};

void PrintTo(const Reference& reference, std::ostream* out) {
  *out << reference.folder;
}

class GoldenTest : public testing::TestWithParam<Reference> {};

void expect_close(const std::vector<float>& ours, const std::vector<float>& reference,
                  const std::string& what) {
  ASSERT_EQ(ours.size(), reference.size()) << what;
  float largest = 0;
  float difference = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    ASSERT_TRUE(std::isfinite(ours[i])) << what;
    largest = std::max(largest, std::abs(reference[i]));
    difference = std::max(difference, std::abs(ours[i] - reference[i]));
  }
  EXPECT_LE(difference, 1e-4F * largest) << what;
}

/// The reference's pixels: as floats, or as the 8-bit tiles they were made from; empty where a case has none.
std::vector<float> reference_pixels(const test::Golden& golden, int i) {
  if (golden.has(fmt::format("c{}.pixel_values", i)))
    return golden.values<float>(fmt::format("c{}.pixel_values", i));
  std::vector<float> pixels;
  if (!golden.has(fmt::format("c{}.pixel_u8", i))) return pixels;
  for (const std::uint8_t value : golden.values<std::uint8_t>(fmt::format("c{}.pixel_u8", i))) {
    pixels.push_back((static_cast<float>(value * (1.0 / 255)) - 0.5F) / 0.5F);
  }
  return pixels;
}

std::vector<std::int32_t> argmax_rows(const std::vector<float>& logits, std::size_t rows) {
  const auto width = static_cast<std::ptrdiff_t>(logits.size() / rows);
  std::vector<std::int32_t> result;
  for (auto row = logits.begin(); row != logits.end(); row += width) {
    result.push_back(static_cast<std::int32_t>(std::max_element(row, row + width) - row));
  }
  return result;
}

TEST_P(GoldenTest, EveryCaseEqualsTheReferenceTokenForToken) {
  const test::Golden golden(GetParam().folder);
  auto generator = Generator::open(
      golden.folder(),
      {.model = {.precision = nn::Precision::kF32, .bf16_rope_frequencies = GetParam().bf16_rope_frequencies},
       .threads = 2});
  ASSERT_TRUE(generator.has_value()) << generator.error().message;
  for (const auto& item : golden.cases()) {
    const int i = item["i"];
    SCOPED_TRACE(fmt::format("case {}", i));
    const image::Image picture = golden.picture(item);
    const auto answer = (*generator)
                            ->generate({&picture, 1}, item["prompt"].get<std::string>(),
                                       {.max_new_tokens = 24, .ignore_eos = true, .keep_tensors = true});
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    const auto& tensors = answer->tensors;

    EXPECT_EQ(answer->prompt_tokens, golden.values<std::int32_t>(fmt::format("c{}.input_ids", i)).size());
    EXPECT_EQ(answer->token_ids, golden.values<std::int32_t>(fmt::format("c{}.generated", i)));
    const auto reference_logits = golden.values<float>(fmt::format("c{}.logits_last", i));
    const auto vocab = static_cast<std::ptrdiff_t>(reference_logits.size());
    expect_close({tensors.logits.end() - vocab, tensors.logits.end()}, reference_logits, "logits");
    EXPECT_EQ(argmax_rows(tensors.logits, answer->prompt_tokens),
              golden.values<std::int32_t>(fmt::format("c{}.logits_argmax", i)));
    if (const auto pixels = reference_pixels(golden, i); !pixels.empty())
      EXPECT_EQ(tensors.pixel_values, pixels);
    if (!golden.has(fmt::format("c{}.image_features", i))) continue;
    expect_close(tensors.image_features, golden.values<float>(fmt::format("c{}.image_features", i)),
                 "image features");
  }
}

INSTANTIATE_TEST_SUITE_P(SmolVlm, GoldenTest,
                         testing::Values(Reference{"smolvlm-tiny-f32"},
                                         Reference{"smolvlm-tiny-bf16-tied", true},
                                         Reference{"smolvlm-tiny-older-f16"},
                                         Reference{"smolvlm-tiny-nosplit-bf16"}),
                         [](const auto& info) {
                           std::string name = info.param.folder;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace fovea::engine
