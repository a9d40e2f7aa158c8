#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "engine/generator.h"
#include "engine/scheduler.h"
#include "support/golden.h"

// Keys and values in int8 beside those in bfloat16.

namespace fovea::engine {
namespace {

using testing::HasSubstr;

std::unique_ptr<Generator> open(const std::string& folder, nn::KeyValueType key_values) {
  auto opened =
      Generator::open(test::golden_folder(folder),
                      {.model = {.precision = nn::Precision::kBF16, .key_values = key_values}, .threads = 2});
  EXPECT_TRUE(opened.has_value()) << opened.error().message;
  return std::move(*opened);
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

class Int8KeysAndValuesTest : public testing::TestWithParam<const char*> {};

TEST_P(Int8KeysAndValuesTest, EveryRowOfLogitsIsNearThatOfBf16) {
  const test::Golden golden(GetParam());
  const auto narrow = open(GetParam(), nn::KeyValueType::kInt8);
  const auto usual = open(GetParam(), nn::KeyValueType::kBF16);
  const std::size_t vocab = usual->config().text.vocab_size;
  std::vector<double> cosines;
  for (const auto& item : golden.cases()) {
    const int i = item["i"];
    SCOPED_TRACE(fmt::format("case {}", i));
    const image::Image picture = golden.picture(item);
    const auto answer = golden.values<std::int32_t>(fmt::format("c{}.generated", i));
    const auto prompt = item["prompt"].get<std::string>();
    const auto wanted = usual->score({&picture, 1}, prompt, answer);
    const auto found = narrow->score({&picture, 1}, prompt, answer);
    ASSERT_TRUE(wanted.has_value() && found.has_value());
    EXPECT_NE(found->logits, wanted->logits);
    for (std::size_t row = 0; row < answer.size(); ++row) {
      const auto of = [&](const Score& score) { return std::span(score.logits).subspan(row * vocab, vocab); };
      cosines.push_back(cosine(of(*found), of(*wanted)));
    }
  }
  // Tiny random networks make much of small differences: int8 weights alone leave 0.9.
  EXPECT_GT(std::ranges::min(cosines), 0.99);
  EXPECT_GT(std::accumulate(cosines.begin(), cosines.end(), 0.0) / static_cast<double>(cosines.size()),
            0.998);
}

INSTANTIATE_TEST_SUITE_P(SmolVlm, Int8KeysAndValuesTest,
                         testing::Values("smolvlm-tiny-f32", "smolvlm-tiny-bf16-tied",
                                         "smolvlm-tiny-older-f16", "smolvlm-tiny-nosplit-bf16"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(KeyValueTypeTest, OneBudgetHoldsMorePagesInInt8) {
  const auto pages = [](nn::KeyValueType type) {
    auto loaded =
        LoadedModel::open(test::golden_folder("smolvlm-tiny-f32"),
                          {.model = {.precision = nn::Precision::kInt8, .key_values = type}, .threads = 1});
    const Scheduler scheduler((*loaded)->model(), (*loaded)->tokenizer(), (*loaded)->vocabulary(),
                              (*loaded)->compute(), {.max_sequences = 64, .key_value_bytes = 1 << 20});
    const SchedulerStatistics statistics = scheduler.statistics();
    EXPECT_LE(statistics.pages * statistics.page_bytes, std::size_t{1} << 20);
    return static_cast<double>(statistics.pages);
  };
  // Heads of 16 channels: a scale for each takes a quarter of what the numbers do.
  EXPECT_GT(pages(nn::KeyValueType::kInt8), 1.5 * pages(nn::KeyValueType::kBF16));
}

TEST(KeyValueTypeTest, ATypeThatDoesNotGoWithTheWeightsIsRefusedWithWhatDoes) {
  const auto refusal = [](nn::Precision weights, nn::KeyValueType type) {
    const auto opened = Generator::open(test::golden_folder("smolvlm-tiny-f32"),
                                        {.model = {.precision = weights, .key_values = type}, .threads = 1});
    EXPECT_FALSE(opened.has_value());
    return opened.has_value() ? Error{} : opened.error();
  };
  for (const auto type : {nn::KeyValueType::kInt8, nn::KeyValueType::kBF16}) {
    const Error error = refusal(nn::Precision::kF32, type);
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message, HasSubstr("f32 weights, beside which keys and values are f32"));
    EXPECT_THAT(error.message, HasSubstr("--dtype"));
  }
  EXPECT_THAT(refusal(nn::Precision::kInt8, nn::KeyValueType::kF32).message,
              HasSubstr("int8 weights, beside which keys and values are bf16 or int8, not f32"));
}

}  // namespace
}  // namespace fovea::engine
