#include "base/request_id.h"

#include <gmock/gmock.h>

#include <set>

namespace fovea {
namespace {

TEST(RequestIdTest, EveryOneIsNewAndFitForAHeader) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(make_request_id());
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_THAT(*ids.begin(), testing::MatchesRegex("[0-9a-f]{16}-[0-9a-f]{6}"));
}

}  // namespace
}  // namespace fovea
