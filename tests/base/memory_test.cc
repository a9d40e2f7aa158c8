#include "base/memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <vector>

namespace fovea {
namespace {

TEST(LockMemory, SaysWhatToDoWhereTheLimitIsTooSmall) {
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &old), 0);
  const auto locked = lock_memory();
  if (locked) {
    EXPECT_EQ(::munlockall(), 0);
  } else {
    EXPECT_EQ(locked.error().code, ErrorCode::kIo);
    EXPECT_NE(locked.error().message.find("ulimit -l"), std::string::npos) << locked.error().message;
  }
}

TEST(UseHugePages, LeavesWhatIsInMemoryAsItIs) {
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  std::vector<unsigned char> block(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) block[i] = static_cast<unsigned char>(i * 31);
  const auto agreed = use_huge_pages();
  if (!agreed) {
    EXPECT_EQ(agreed.error().code, ErrorCode::kIo);
  } else {
    EXPECT_GE(*agreed, kBytes / 2);
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < kBytes; ++i) wrong += block[i] != static_cast<unsigned char>(i * 31);
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace fovea
