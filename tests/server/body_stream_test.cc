#include "server/body_stream.h"

#include <gtest/gtest.h>

namespace fovea::server {
namespace {

TEST(BodyStreamTest, GivesWhatWasWrittenAndThenTheEnd) {
  BodyStream stream(100);
  EXPECT_TRUE(stream.write("one "));
  EXPECT_TRUE(stream.write("two"));
  stream.finish({.model = "m"});
  const auto piece = stream.take();
  EXPECT_EQ(piece.text, "one two");
  EXPECT_TRUE(piece.finished);
  EXPECT_FALSE(piece.broken);
  EXPECT_EQ(stream.notes().model, "m");
  EXPECT_FALSE(stream.write("late"));
}

TEST(BodyStreamTest, WakesAReaderThatFoundNothingOnceAChange) {
  BodyStream stream(100);
  int woken = 0;
  stream.set_waker([&] { ++woken; });
  stream.write("a");
  EXPECT_EQ(woken, 0) << "nobody waits";
  EXPECT_EQ(stream.take().text, "a");
  EXPECT_EQ(stream.take().text, "");
  stream.write("b");
  stream.write("c");
  EXPECT_EQ(woken, 1);
  stream.take();
  stream.take();
  stream.finish({});
  EXPECT_EQ(woken, 2);
}

TEST(BodyStreamTest, BreaksRatherThanHoldMoreThanItsCapacity) {
  BodyStream stream(10);
  int woken = 0;
  stream.set_waker([&] { ++woken; });
  EXPECT_TRUE(stream.write("0123456789"));
  EXPECT_FALSE(stream.write("x"));
  EXPECT_FALSE(stream.write("y"));
  EXPECT_EQ(woken, 1) << "a reader in the middle of a write must hear of it";
  const auto piece = stream.take();
  EXPECT_TRUE(piece.broken);
  EXPECT_EQ(piece.text, "");
}

TEST(BodyStreamTest, TakesNothingMoreOnceTheReaderHasGone) {
  BodyStream stream(10);
  stream.break_off();
  EXPECT_FALSE(stream.write("x"));
  EXPECT_TRUE(stream.is_broken());
}

}  // namespace
}  // namespace fovea::server
