#include "routing/ensemble.h"

#include <gtest/gtest.h>

#include <vector>

#include "routing/shadow.h"
#include "routing/tasks.h"

namespace fovea::routing {
namespace {

const tasks::Task& card() {
  static const tasks::Task kCard = test::task_of({{"name", {"trim", "lower"}}, {"number", {}}});
  return kCard;
}

Answer said(const std::string& name, double name_confidence, const nlohmann::ordered_json& number,
            double number_confidence) {
  return {.fields = {{"name", name}, {"number", number}},
          .confidence = {{"name", name_confidence}, {"number", number_confidence}}};
}

Answer result_of(const std::vector<Answer>& answers, std::vector<double> weights = {}) {
  std::vector<Ballot> ballots;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    ballots.push_back(
        {.model = std::to_string(i), .weight = weights.empty() ? 1 : weights[i], .answer = &answers[i]});
  }
  return vote({.task = &card()}, ballots);
}

TEST(EnsembleTest, CountsEveryFieldByItself) {
  const Answer result = result_of(
      {said("Pikachu", 0.9, "1", 0.3), said("Raichu", 0.5, "2", 0.8), said("Pikachu", 0.4, "2", 0.2)});
  EXPECT_EQ(result.fields["name"], "Pikachu");
  EXPECT_EQ(result.fields["number"], "2");
  EXPECT_NEAR(result.confidence["name"].get<double>(), (0.9 + 0.4) / 3, 1e-12);
  EXPECT_NEAR(result.confidence["number"].get<double>(), (0.8 + 0.2) / 3, 1e-12);
}

TEST(EnsembleTest, OneSureVoteOutweighsTwoDoubtfulOnes) {
  EXPECT_EQ(
      result_of({said("a", 0.2, "1", 1), said("b", 0.95, "1", 1), said("a", 0.3, "1", 1)}).fields["name"],
      "b");
}

TEST(EnsembleTest, ModelsWeighAsTheConfigurationSays) {
  EXPECT_EQ(result_of({said("a", 0.6, "1", 1), said("b", 0.9, "1", 1)}, {2, 1}).fields["name"], "a");
}

TEST(EnsembleTest, ValuesThatTheNormalisersMakeEqualAreOneAndTheSurestSpellingIsGiven) {
  const Answer result =
      result_of({said("pikachu ", 0.5, "1", 1), said("Pikachu", 0.6, "1", 1), said("Mew", 0.9, "1", 1)});
  EXPECT_EQ(result.fields["name"], "Pikachu");
}

TEST(EnsembleTest, NullIsAVoteToo) {
  const Answer result = result_of({said("a", 1, nullptr, 0.9), said("a", 1, "7", 0.4)});
  EXPECT_TRUE(result.fields["number"].is_null());
}

TEST(EnsembleTest, TiesGoToTheEarlierBallot) {
  EXPECT_EQ(result_of({said("a", 0.5, "1", 1), said("b", 0.5, "1", 1)}).fields["name"], "a");
}

TEST(EnsembleTest, AloneAnAnswerStaysAsItIs) {
  const Answer answer = said("a", 0.5, "1", 1);
  EXPECT_EQ(result_of({answer}).confidence, answer.confidence);
}

TEST(EnsembleTest, WithoutConfidencesTheMajorityWinsAndNoneIsInvented) {
  Answer a = said("a", 0, "1", 0), b = said("b", 0, "1", 0);
  a.confidence = b.confidence = nlohmann::ordered_json::object();
  const Answer result = result_of({b, a, a});
  EXPECT_EQ(result.fields["name"], "a");
  EXPECT_TRUE(result.confidence.empty());
}

TEST(EnsembleTest, TheLabelGivenIsTheMostProbableOne) {
  const tasks::Task pizza = test::task_of_labels({"basic", "burnt"});
  const Answer a{.fields = {{"label", "basic"}},
                 .confidence = {{"label", 0.6}},
                 .probabilities = {{"basic", 0.55}, {"burnt", 0.45}}};
  const Answer b{.fields = {{"label", "burnt"}},
                 .confidence = {{"label", 0.5}},
                 .probabilities = {{"basic", 0.1}, {"burnt", 0.9}}};
  const std::vector<Ballot> ballots{{.model = "a", .answer = &a}, {.model = "b", .answer = &b}};
  const Answer result = vote({.task = &pizza}, ballots);
  EXPECT_EQ(result.fields["label"], "burnt");
  EXPECT_NEAR(result.probabilities["burnt"].get<double>(), 0.675, 1e-12);
  EXPECT_NEAR(result.confidence["label"].get<double>(), 0.25, 1e-12);
}

TEST(ShadowBookTest, CountsWhatAgreesByField) {
  ShadowBook book;
  const ShadowBook::Key key{"card", "candidate"};
  book.started(key);
  book.compare(key, &card(), said("Pikachu", 1, "1", 1), 20, said("pikachu", 1, "2", 1), 40);
  book.compare(key, &card(), said("Mew", 1, "1", 1), 20, said("Mew", 1, "1", 1), 60);
  book.failed(key);
  const ShadowFigures figures = book.figures().at(key);
  EXPECT_EQ(figures.compared, 2U);
  EXPECT_EQ(figures.same, 1U);
  EXPECT_EQ(figures.fields.at("name").same, 2U);
  EXPECT_EQ(figures.fields.at("number").same, 1U);
  EXPECT_EQ(figures.to_json()["candidate_mean_ms"], 50.0);
  EXPECT_EQ(figures.to_json()["agreement"], 0.5);
  EXPECT_EQ(figures.to_json()["fields"]["number"]["agreement"], 0.5);
}

}  // namespace
}  // namespace fovea::routing
