#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "kernels/kernels.h"

namespace fovea::kernels {
namespace {

TEST(Dispatch, EveryProcessorHasThePortableSet) {
  ASSERT_FALSE(supported_kernels().empty());
  EXPECT_STREQ(supported_kernels().front()->isa, "portable");
}

TEST(Dispatch, TheLastSupportedSetIsUsedUnlessFoveaIsaNamesAnother) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read once; nothing here sets the environment
  const char* wanted = std::getenv("FOVEA_ISA");
  const auto active = active_kernels();
  ASSERT_TRUE(active.has_value()) << active.error().message;
  if (wanted != nullptr && *wanted != '\0') {
    EXPECT_STREQ((*active)->isa, wanted);
  } else {
    EXPECT_EQ(*active, supported_kernels().back());
  }
}

TEST(Dispatch, FindsEverySupportedSetByItsName) {
  for (const Kernels* kernels : supported_kernels()) {
    const auto found = find_kernels(kernels->isa);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found, kernels);
  }
}

TEST(Dispatch, AnUnknownSetIsAnErrorThatNamesTheKnownOnes) {
  const auto found = find_kernels("avx9000");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kUsage);
  EXPECT_THAT(found.error().message,
              testing::AllOf(testing::HasSubstr("avx9000"), testing::HasSubstr("portable")));
}

TEST(Dispatch, ASetOfAnotherArchitectureIsAnErrorThatNamesWhatThisProcessorHas) {
#if defined(__aarch64__)
  const char* foreign = "avx2";
#else
  const char* foreign = "neon";
#endif
  const auto found = find_kernels(foreign);
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kUsage);
  EXPECT_THAT(found.error().message, testing::AllOf(testing::HasSubstr(foreign), testing::HasSubstr("lacks"),
                                                    testing::HasSubstr("portable")));
}

}  // namespace
}  // namespace fovea::kernels
