#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "engine/answer_text.h"

namespace fovea::engine {
namespace {

const std::vector<float> kLogits{1.0F, 3.0F, 2.0F, 3.0F, -1.0F};

std::vector<double> frequencies(const SamplingOptions& options, std::span<const std::uint64_t> allowed = {}) {
  constexpr int kDraws = 40'000;
  Sampler sampler(options);
  std::vector<double> counts(kLogits.size());
  for (int i = 0; i < kDraws; ++i) counts[static_cast<std::size_t>(sampler.pick(kLogits, allowed).id)] += 1;
  for (double& count : counts) count /= kDraws;
  return counts;
}

TEST(SamplerTest, GreedyTakesTheFirstOfTheHighest) {
  EXPECT_EQ(Sampler({}).pick(kLogits, {}).id, 1);
}

TEST(SamplerTest, GreedyNeverTakesWhatIsNoNumberNorWhatIsNotAllowed) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Sampler({}).pick(std::vector{kNan, 1.0F, 2.0F}, {}).id, 2);
  EXPECT_EQ(Sampler({}).pick(std::vector{kNan, kNan}, {}).id, 0);
  const std::array<std::uint64_t, 1> allowed{0b10101};
  EXPECT_EQ(Sampler({}).pick(kLogits, allowed).id, 2);
}

TEST(SamplerTest, LogprobsAreThoseAmongTheAllowedTokens) {
  const std::array<std::uint64_t, 1> allowed{0b00101};
  Sampler sampler({.logprobs = true, .top_logprobs = 5});
  const auto choice = sampler.pick(kLogits, allowed);
  ASSERT_EQ(choice.alternatives.size(), 2U);
  EXPECT_NEAR(choice.logprob, std::log(std::exp(2.0) / (std::exp(1.0) + std::exp(2.0))), 1e-6);
  EXPECT_EQ(choice.alternatives[0].id, 2);
  EXPECT_EQ(choice.alternatives[1].id, 0);
  EXPECT_NEAR(std::exp(choice.alternatives[0].logprob) + std::exp(choice.alternatives[1].logprob), 1.0, 1e-6);
}

TEST(SamplerTest, TemperatureDrawsInProportion) {
  const auto found = frequencies({.temperature = 2.0F, .seed = 7});
  double total = 0;
  for (const float logit : kLogits) total += std::exp(static_cast<double>(logit) / 2);
  for (std::size_t i = 0; i < kLogits.size(); ++i) {
    EXPECT_NEAR(found[i], std::exp(static_cast<double>(kLogits[i]) / 2) / total, 0.01) << i;
  }
}

TEST(SamplerTest, TopKAndTopPLeaveOutTheRest) {
  const auto top_k = frequencies({.temperature = 1, .top_k = 2});
  EXPECT_NEAR(top_k[1], 0.5, 0.02);
  EXPECT_NEAR(top_k[3], 0.5, 0.02);
  EXPECT_EQ(top_k[2], 0);
  const auto top_p = frequencies({.temperature = 1, .top_p = 0.5F});  // 1 and 3 have 0.40 each
  EXPECT_EQ(top_p[2], 0);
  EXPECT_GT(top_p[3], 0.4);
  const auto only_first = frequencies({.temperature = 1, .top_p = 0.01F});
  EXPECT_EQ(only_first[1], 1);
}

TEST(SamplerTest, ASeedGivesTheSameDrawsAndAnotherOthers) {
  const auto draws = [](std::uint64_t seed) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 40; ++i) ids.push_back(sampler.pick(kLogits, {}).id);
    return ids;
  };
  EXPECT_EQ(draws(3), draws(3));
  EXPECT_NE(draws(3), draws(4));
}

TEST(AnswerTextTest, HoldsPartsOfCharactersBackUntilTheyAreWhole) {
  AnswerText text({});
  EXPECT_EQ(text.append("a\xC3"), "a");
  EXPECT_EQ(text.append("\xA9"), "\xC3\xA9");
  EXPECT_EQ(text.append("\xF0\x9F"), "");
  EXPECT_EQ(text.append("\x8D\x95!"), "\xF0\x9F\x8D\x95!");
  EXPECT_EQ(text.append("\xE2\x82"), "");
  EXPECT_EQ(text.finish(), "\xE2\x82");
}

TEST(AnswerTextTest, StopTextsAreFoundAcrossPiecesAndNeverShown) {
  AnswerText text({"END", "stop"});
  EXPECT_EQ(text.append("one E"), "one ");
  EXPECT_EQ(text.append("N"), "");
  EXPECT_EQ(text.append("Z st"), "ENZ ");
  EXPECT_EQ(text.append("opEND"), "");
  EXPECT_TRUE(text.stopped());
  EXPECT_EQ(text.bytes(), "one ENZ ");
  EXPECT_EQ(text.append("more"), "");
}

TEST(AnswerTextTest, TheEarliestOfSeveralStopTextsCounts) {
  AnswerText text({"xyz", "b"});
  EXPECT_EQ(text.append("abxyz"), "a");
  EXPECT_TRUE(text.stopped());
}

}  // namespace
}  // namespace fovea::engine
