#include <gmock/gmock.h>

#include "reviews/reviews_fixture.h"
#include "sqlite/database.h"

namespace fovea::reviews {
namespace {

using testing::HasSubstr;

TEST_F(ReviewsTest, PicturesOfDecidedReviewsMakeRoomOldestFirst) {
  open({.max_pictures = 2});
  const auto first = add("1");
  const auto second = add("2");
  const auto full = queue_->add(recognition(), bytes("3"), "r");
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(full.error().message, HasSubstr("full"));

  ASSERT_TRUE(queue_->accept(second, {.who = "ann"}).has_value());
  (void)add("3");
  EXPECT_FALSE(queue_->get(second)->has_picture);
  EXPECT_EQ(queue_->get(second)->history.size(), 2U) << "only the picture went";
  EXPECT_EQ(queue_->picture(second).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(queue_->get(first)->has_picture) << "it waits";
  EXPECT_EQ(queue_->counts()->pictures, 2U);
  EXPECT_EQ(queue_->export_set("trading-card", folder_.path() / "set").error().code, ErrorCode::kNotFound);
}

TEST_F(ReviewsTest, BytesAreBoundedToo) {
  open({.max_picture_bytes = 10});
  (void)add("12345678");
  EXPECT_EQ(queue_->add(recognition(), bytes("abc"), "r").error().code, ErrorCode::kUnavailable);
  (void)add("ab");
  EXPECT_EQ(queue_->counts()->picture_bytes, 10U);
}

TEST_F(ReviewsTest, ALostPictureFileIsWrittenAgainByTheNextReading) {
  const auto id = add();
  std::filesystem::remove_all(folder_.path() / "reviews");
  std::filesystem::create_directory(folder_.path() / "reviews");
  EXPECT_EQ(queue_->picture(id).error().code, ErrorCode::kNotFound);
  (void)add("\xFF\xD8\xFFpicture", recognition("Emberling", "card-reader-m"));
  EXPECT_TRUE(queue_->picture(id).has_value());
}

TEST_F(ReviewsTest, WherePicturesCannotBeWrittenNothingIsAdded) {
  std::filesystem::remove_all(folder_.path() / "reviews");
  ASSERT_TRUE(write_file(folder_.path() / "reviews", "a file in the folder's place").has_value());
  const auto added = queue_->add(recognition(), bytes("x"), "r");
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code, ErrorCode::kIo);
  EXPECT_TRUE(queue_->list(std::nullopt, 10)->reviews.empty());
}

TEST_F(ReviewsTest, ALockedDatabaseIsUnavailable) {
  open({.busy_timeout = std::chrono::milliseconds(20)});
  const auto id = add();
  auto other = sqlite::Database::open(folder_.path() / "reviews.db").value();
  auto writing = sqlite::Transaction::begin(other);
  ASSERT_TRUE(writing.has_value());
  EXPECT_EQ(queue_->accept(id, {.who = "ann"}).error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(queue_->get(id).has_value()) << "readers do not wait for writers";
}

TEST_F(ReviewsTest, AFileThatIsNoDatabaseIsDamaged) {
  queue_.reset();
  for (const char* name : {"reviews.db", "reviews.db-wal", "reviews.db-shm"})
    std::filesystem::remove(folder_.path() / name);
  ASSERT_TRUE(write_file(folder_.path() / "reviews.db", std::string(5000, 'x')).has_value());
  const auto opened = ReviewQueue::open(folder_.path(), tasks::builtin_tasks());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
  EXPECT_THAT(opened.error().message, HasSubstr("reviews.db"));
}

TEST_F(ReviewsTest, EventsCannotBeChangedOrRemoved) {
  (void)add();
  auto database = sqlite::Database::open(folder_.path() / "reviews.db").value();
  EXPECT_FALSE(database.execute("UPDATE event SET who = 'me'").has_value());
  EXPECT_FALSE(database.execute("DELETE FROM event").has_value());
}

}  // namespace
}  // namespace fovea::reviews
