#include "server/connection_set.h"

#include <gtest/gtest.h>

#include <memory>

namespace fovea::server {
namespace {

struct FakeConnection : ConnectionSet::Member {
  void close() override { closed = true; }
  bool closed = false;
};

TEST(ConnectionSet, ClosesTheLongestWaitingForANewOne) {
  ConnectionSet set(2);
  const auto first = std::make_shared<FakeConnection>();
  const auto second = std::make_shared<FakeConnection>();
  const auto third = std::make_shared<FakeConnection>();
  EXPECT_TRUE(set.add(first));
  EXPECT_TRUE(set.add(second));
  EXPECT_TRUE(set.set_busy(*first));
  set.set_waiting(*first);  // now it is the second that has waited longest
  EXPECT_TRUE(set.add(third));
  EXPECT_FALSE(first->closed);
  EXPECT_TRUE(second->closed);
  EXPECT_FALSE(set.set_busy(*second));
  set.close_longest_waiting();
  EXPECT_TRUE(first->closed);
  for (const auto& connection : {first, second, third}) set.remove(*connection);
}

TEST(ConnectionSet, NeverClosesOneThatWorks) {
  ConnectionSet set(1);
  const auto busy = std::make_shared<FakeConnection>();
  const auto other = std::make_shared<FakeConnection>();
  EXPECT_TRUE(set.add(busy));
  EXPECT_TRUE(set.set_busy(*busy));
  EXPECT_FALSE(set.add(other));
  set.close_longest_waiting();
  EXPECT_FALSE(busy->closed);
  set.remove(*other);  // one that was never added
  set.remove(*busy);
  EXPECT_TRUE(set.add(other));
}

TEST(ConnectionSet, TellsWhenNoneWorksAnyMore) {
  ConnectionSet set(4);
  const auto first = std::make_shared<FakeConnection>();
  const auto second = std::make_shared<FakeConnection>();
  set.add(first);
  set.add(second);
  set.set_busy(*first);
  set.set_busy(*second);
  int quiet = 0;
  set.when_quiet([&] { ++quiet; });
  set.set_waiting(*first);
  EXPECT_EQ(quiet, 0);
  set.remove(*second);
  EXPECT_EQ(quiet, 1);
  set.set_busy(*first);
  set.remove(*first);
  EXPECT_EQ(quiet, 1);
  set.when_quiet([&] { ++quiet; });
  EXPECT_EQ(quiet, 2);
}

}  // namespace
}  // namespace fovea::server
