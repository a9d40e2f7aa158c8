#include "reviews/reviews.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <map>
#include <thread>

#include "reviews/reviews_fixture.h"

namespace fovea::reviews {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> kinds(const Review& review) {
  std::vector<std::string> result;
  for (const Event& event : review.history) result.push_back(event.kind);
  return result;
}

std::vector<std::int64_t> ids(const Page& page) {
  std::vector<std::int64_t> result;
  for (const Review& review : page.reviews) result.push_back(review.id);
  return result;
}

TEST_F(ReviewsTest, WhatIsAddedWaitsWithItsPictureAndReason) {
  const auto id = add();
  const auto review = queue_->get(id);
  ASSERT_TRUE(review.has_value()) << review.error().message;
  EXPECT_EQ(review->state, State::kPending);
  EXPECT_EQ(review->task, "trading-card");
  EXPECT_EQ(review->model, "card-reader-s");
  EXPECT_EQ(review->fields, fields());
  EXPECT_EQ(review->recognition["request_id"], "r1");
  EXPECT_THAT(review->reason, HasSubstr("confidence"));
  EXPECT_TRUE(review->has_picture);
  EXPECT_THAT(kinds(*review), ElementsAre("added"));
  EXPECT_EQ(queue_->picture(id).value(), "\xFF\xD8\xFFpicture");
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "reviews" / (review->picture + ".jpg")));
}

TEST_F(ReviewsTest, TheSamePictureModelAndTaskWaitsOnce) {
  const auto id = add();
  const auto again = queue_->add(recognition(), bytes("\xFF\xD8\xFFpicture"), "again");
  EXPECT_EQ(again->id, id);
  EXPECT_FALSE(again->is_new);
  EXPECT_NE(add("another picture"), id);
  EXPECT_NE(add("\xFF\xD8\xFFpicture", recognition("Emberling", "card-reader-m")), id);
  ASSERT_TRUE(queue_->accept(id, {.who = "ann"}).has_value());
  EXPECT_NE(add(), id) << "what was decided does not wait";
}

TEST_F(ReviewsTest, DecisionsAreKeptWithWhoAndWhat) {
  const auto accepted = queue_->accept(add("1"), {.who = "ann"});
  ASSERT_TRUE(accepted.has_value()) << accepted.error().message;
  EXPECT_EQ(accepted->state, State::kAccepted);
  EXPECT_EQ(accepted->history.back().who, "ann");
  EXPECT_EQ(accepted->history.back().fields, fields());

  const auto corrected = queue_->correct(add("2"), fields("Emberlynx"), {.who = "bob"});
  ASSERT_TRUE(corrected.has_value()) << corrected.error().message;
  EXPECT_EQ(corrected->state, State::kCorrected);
  EXPECT_EQ(corrected->fields, fields("Emberlynx"));
  EXPECT_EQ(corrected->recognition["fields"], fields()) << "what was read stays";

  const auto rejected = queue_->reject(add("3"), "blurred", {.who = "ann"});
  ASSERT_TRUE(rejected.has_value()) << rejected.error().message;
  EXPECT_EQ(rejected->state, State::kRejected);
  EXPECT_EQ(rejected->history.back().reason, "blurred");
  const auto counts = queue_->counts().value();
  EXPECT_EQ(counts.pending, 0U);
  EXPECT_EQ(counts.accepted, 1U);
  EXPECT_EQ(counts.corrected, 1U);
  EXPECT_EQ(counts.rejected, 1U);
  EXPECT_EQ(counts.pictures, 3U);
}

TEST_F(ReviewsTest, ASecondDecisionIsAConflictUnlessItSupersedes) {
  const auto id = add();
  ASSERT_TRUE(queue_->accept(id, {.who = "ann"}).has_value());
  for (const auto& second :
       {queue_->accept(id, {.who = "bob"}), queue_->correct(id, fields("X"), {.who = "bob"}),
        queue_->reject(id, "no", {.who = "bob"})}) {
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::kConflict);
    EXPECT_THAT(second.error().message, AllOf(HasSubstr("accepted"), HasSubstr("ann")));
  }
  EXPECT_EQ(queue_->get(id)->history.size(), 2U) << "a refused decision leaves no trace";
  const auto superseded = queue_->correct(id, fields("X"), {.who = "bob", .supersede = true});
  ASSERT_TRUE(superseded.has_value());
  EXPECT_THAT(kinds(*superseded), ElementsAre("added", "accepted", "corrected"));
}

TEST_F(ReviewsTest, AReviewCanBeReopened) {
  const auto id = add();
  EXPECT_EQ(queue_->reopen(id, "why not", "ann").error().code, ErrorCode::kConflict) << "it waits already";
  ASSERT_TRUE(queue_->correct(id, fields("X"), {.who = "ann"}).has_value());
  const auto reopened = queue_->reopen(id, "unsure", "bob");
  ASSERT_TRUE(reopened.has_value()) << reopened.error().message;
  EXPECT_EQ(reopened->state, State::kPending);
  EXPECT_EQ(reopened->fields, fields()) << "the reading waits, not the correction";
  EXPECT_THAT(kinds(*reopened), ElementsAre("added", "corrected", "reopened"));
  ASSERT_TRUE(queue_->accept(id, {.who = "ann"}).has_value());
  (void)add();  // the same picture waits anew
  EXPECT_EQ(queue_->reopen(id, "again", "bob").error().code, ErrorCode::kConflict);
}

TEST_F(ReviewsTest, CorrectionsAreCheckedAgainstTheTask) {
  const auto id = add();
  Json missing = fields();
  missing.erase("hp");
  Json typed = fields();
  typed["hp"] = "sixty";
  Json extra = fields();
  extra["colour"] = "red";
  for (const auto& [wrong, message] :
       std::vector<std::pair<Json, std::string>>{{missing, "hp is missing"},
                                                 {typed, "hp has the wrong type"},
                                                 {extra, "not asked for"},
                                                 {Json(3), "no JSON object"}}) {
    const auto corrected = queue_->correct(id, wrong, {.who = "ann"});
    ASSERT_FALSE(corrected.has_value());
    EXPECT_EQ(corrected.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(corrected.error().message, HasSubstr(message));
  }
  EXPECT_EQ(queue_->get(id)->state, State::kPending);
}

TEST_F(ReviewsTest, WhatIsIncompleteIsRefused) {
  Json no_task = recognition();
  no_task["task"] = "none";
  EXPECT_EQ(queue_->add(no_task, bytes("x"), "r").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(queue_->add(Json::object(), bytes("x"), "r").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(queue_->add(Json(3), bytes("x"), "r").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(queue_->add(recognition(), {}, "r").error().code, ErrorCode::kInvalidArgument);
  const auto id = add();
  EXPECT_EQ(queue_->accept(id, {.who = ""}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(queue_->accept(id, {.who = "\xFF"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(queue_->reject(id, "", {.who = "ann"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(queue_->accept(999, {.who = "ann"}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(queue_->get(999).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(queue_->picture(999).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(queue_->list(std::nullopt, 0).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(ReviewsTest, ListsGoPageByPage) {
  std::vector<std::int64_t> all;
  for (int i = 0; i < 5; ++i) all.push_back(add(std::to_string(i)));
  ASSERT_TRUE(queue_->accept(all[1], {.who = "ann"}).has_value());
  const auto first = queue_->list(State::kPending, 2).value();
  EXPECT_THAT(ids(first), ElementsAre(all[0], all[2]));
  EXPECT_EQ(first.after, all[2]);
  const auto rest = queue_->list(State::kPending, 2, *first.after).value();
  EXPECT_THAT(ids(rest), ElementsAre(all[3], all[4]));
  EXPECT_EQ(rest.after, std::nullopt);
  EXPECT_EQ(queue_->list(std::nullopt, 100)->reviews.size(), 5U);
  EXPECT_THAT(ids(*queue_->list(State::kAccepted, 100)), ElementsAre(all[1]));
}

TEST_F(ReviewsTest, EverythingIsThereAfterOpeningAgain) {
  const auto id = add();
  ASSERT_TRUE(queue_->correct(id, fields("X"), {.who = "ann"}).has_value());
  open();
  EXPECT_EQ(queue_->get(id)->fields, fields("X"));
  EXPECT_EQ(queue_->get(id)->history.size(), 2U);
}

TEST_F(ReviewsTest, AnExportIsAnEvaluationSet) {
  ASSERT_TRUE(queue_->accept(add("\xFF\xD8\xFF one"), {.who = "ann"}).has_value());
  ASSERT_TRUE(queue_->correct(add("\x89PNG two"), fields("Right"), {.who = "ann"}).has_value());
  ASSERT_TRUE(queue_->reject(add("three"), "blurred", {.who = "ann"}).has_value());
  (void)add("four");
  // Another model's reading of the first picture, decided later.
  const auto later = add("\xFF\xD8\xFF one", recognition("Other", "card-reader-m"));
  ASSERT_TRUE(queue_->correct(later, fields("Latest"), {.who = "bob"}).has_value());

  const auto folder = folder_.path() / "set";
  const auto exported = queue_->export_set("trading-card", folder);
  ASSERT_TRUE(exported.has_value()) << exported.error().message;
  EXPECT_EQ(exported->written, 2U);
  std::map<std::string, Json> truths;  // by the picture's content
  std::ifstream manifest(folder / "manifest.jsonl");
  for (std::string line; std::getline(manifest, line);) {
    const Json example = Json::parse(line);
    EXPECT_EQ(example.size(), 2U) << line;
    truths[read_file(folder / example["image"].get<std::string>()).value()] = example["truth"];
  }
  EXPECT_EQ(truths.size(), 2U);
  EXPECT_EQ(truths["\x89PNG two"], fields("Right"));
  EXPECT_EQ(truths["\xFF\xD8\xFF one"], fields("Latest"));
  EXPECT_EQ(queue_->export_set("trading-card", folder).error().code, ErrorCode::kConflict)
      << "nothing is overwritten";
  EXPECT_EQ(queue_->export_set("pizza", folder_.path() / "p").error().code, ErrorCode::kNotFound);
}

TEST_F(ReviewsTest, OfTwoThreadsThatDecideOneWins) {
  for (int round = 0; round < 20; ++round) {
    const auto id = add("picture " + std::to_string(round));
    std::atomic<int> decided = 0;
    std::atomic<int> conflicts = 0;
    {
      std::vector<std::jthread> threads;
      for (const std::string who : {"ann", "bob"}) {
        threads.emplace_back([&, who] {
          const auto result = queue_->accept(id, {.who = who});
          if (result) ++decided;
          if (!result && result.error().code == ErrorCode::kConflict) ++conflicts;
        });
      }
    }
    EXPECT_EQ(decided, 1);
    EXPECT_EQ(conflicts, 1);
    EXPECT_EQ(queue_->get(id)->history.size(), 2U);
  }
}

TEST_F(ReviewsTest, OfTwoProcessesThatDecideOneWins) {
  const auto other = ReviewQueue::open(folder_.path(), tasks::builtin_tasks());
  ASSERT_TRUE(other.has_value()) << other.error().message;
  const auto id = add();
  ASSERT_TRUE((*other)->accept(id, {.who = "bob"}).has_value());
  EXPECT_EQ(queue_->accept(id, {.who = "ann"}).error().code, ErrorCode::kConflict);
}

TEST_F(ReviewsTest, ThreadsThatAddTheSameMakeOneReview) {
  std::atomic<int> fresh = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        const std::string picture = "same";
        const auto added = queue_->add(recognition(), bytes(picture), "r");
        ASSERT_TRUE(added.has_value()) << added.error().message;
        if (added->is_new) ++fresh;
      });
    }
  }
  EXPECT_EQ(fresh, 1);
  EXPECT_EQ(queue_->list(std::nullopt, 10)->reviews.size(), 1U);
}

}  // namespace
}  // namespace fovea::reviews
