#include "cache/memory_tier.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "answers.h"

namespace fovea::cache {
namespace {

Key numbered(int i) {
  return test_key(std::to_string(i));
}

TEST(MemoryTier, ForgetsWhatWasUsedLongestAgo) {
  MemoryTier memory({.max_entries = 3});
  for (int i = 0; i < 3; ++i) memory.insert(numbered(i), test_answer());
  EXPECT_NE(memory.find(numbered(0)), nullptr);
  memory.insert(numbered(3), test_answer());
  EXPECT_EQ(memory.find(numbered(1)), nullptr);
  for (const int i : {0, 2, 3}) EXPECT_NE(memory.find(numbered(i)), nullptr) << i;
}

TEST(MemoryTier, StaysWithinItsBytes) {
  const std::size_t one = size_in_memory(*test_answer(std::string(1000, 'x')));
  MemoryTier memory({.max_entries = 100, .max_bytes = 10 * one});
  for (int i = 0; i < 50; ++i) {
    memory.insert(numbered(i), test_answer(std::string(1000, 'x')));
    EXPECT_LE(memory.stats().bytes, 10 * one);
  }
  EXPECT_EQ(memory.stats().entries, 10U);
  memory.insert(numbered(49), test_answer(std::string(one * 20, 'x')));
  EXPECT_EQ(memory.find(numbered(49)), nullptr) << "an answer too large to keep replaces the one it outdates";
  EXPECT_EQ(memory.stats().entries, 9U);
  EXPECT_EQ(memory.stats().bytes, 9 * one);
}

TEST(MemoryTier, ReplacesAnAnswer) {
  MemoryTier memory({});
  memory.insert(numbered(1), test_answer("1"));
  memory.insert(numbered(1), test_answer("2"));
  EXPECT_EQ(memory.find(numbered(1))->payload, "2");
  EXPECT_EQ(memory.stats().entries, 1U);
  EXPECT_EQ(memory.stats().bytes, size_in_memory(*test_answer("2")));
}

TEST(MemoryTier, ColdAnswersNeitherReplaceNorPushOut) {
  MemoryTier memory({.max_entries = 2});
  memory.insert(numbered(1), test_answer("new"));
  EXPECT_TRUE(memory.insert_cold(numbered(1), test_answer("old")));
  EXPECT_TRUE(memory.insert_cold(numbered(2), test_answer()));
  EXPECT_FALSE(memory.insert_cold(numbered(3), test_answer()));
  EXPECT_EQ(memory.find(numbered(1))->payload, "new");
  memory.insert(numbered(4), test_answer());
  EXPECT_EQ(memory.find(numbered(2)), nullptr) << "a cold answer is the first to go";
}

TEST(MemoryTier, KnowsUploadsAndBoundsThem) {
  MemoryTier memory({.max_uploads = 2});
  for (int i = 0; i < 3; ++i) memory.remember_upload(numbered(i), numbered(100 + i));
  EXPECT_FALSE(memory.find_upload(numbered(0)));
  EXPECT_EQ(memory.find_upload(numbered(2)), numbered(102));
  memory.clear();
  EXPECT_FALSE(memory.find_upload(numbered(2)));
}

TEST(MemoryTier, CanBeSwitchedOff) {
  MemoryTier memory({.max_entries = 0, .max_uploads = 0});
  memory.insert(numbered(1), test_answer());
  memory.remember_upload(numbered(1), numbered(2));
  EXPECT_EQ(memory.find(numbered(1)), nullptr);
  EXPECT_FALSE(memory.find_upload(numbered(1)));
}

TEST(MemoryTier, GivesEveryThreadTheAnswersOfItsKey) {
  MemoryTier memory({.max_entries = 50, .max_uploads = 50});
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&memory, t] {
      for (int i = 0; i < 3000; ++i) {
        const int n = (i * 7 + t) % 100;
        if (const AnswerPtr answer = memory.find(numbered(n))) {
          ASSERT_EQ(answer->payload, std::to_string(n));
        } else {
          memory.insert(numbered(n), test_answer(std::to_string(n)));
        }
        if (const auto key = memory.find_upload(numbered(n))) ASSERT_EQ(*key, numbered(n + 1000));
        memory.remember_upload(numbered(n), numbered(n + 1000));
        if (i % 1000 == 0) (void)memory.stats();
      }
    });
  }
  threads.clear();
  const TierStats stats = memory.stats();
  EXPECT_EQ(stats.hits + stats.misses, 4U * 3000U);
  EXPECT_LE(stats.entries, 50U);
}

}  // namespace
}  // namespace fovea::cache
