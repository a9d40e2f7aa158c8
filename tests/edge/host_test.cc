#include "edge/edge_fixture.h"

namespace fovea::edge {
namespace {

using micro::WeightType;

/// The exported C, compiled for this machine with every warning an error and under sanitizers.
class HostTest : public EdgeTest {
 protected:
  void build_and_run() const {
    run_command(
        "clang-19 -std=c99 -O1 -g -Wall -Wextra -Werror -pedantic -Wconversion -Wcast-align -Wshadow "
        "-fsanitize=address,undefined -fno-sanitize-recover=all -fuse-ld=lld-19 -I. -o driver net.c "
        "net_model.c '" +
        (sources_ / "driver.c").string() + "' '" + (sources_ / "io_host.c").string() + "' && ./driver");
  }
};

class HostIntegerTest : public HostTest {};
class HostFloatTest : public HostTest {};

TEST_P(HostIntegerTest, ComputesTheSameBitsAsTheHost) {
  build_and_run();
  if (!HasFatalFailure()) expect_same_bits(outputs());
}

TEST_P(HostFloatTest, ComputesWhatTheHostDoes) {
  build_and_run();
  if (!HasFatalFailure()) expect_close(outputs());
}

// Each compiles for seconds: few that have every kind of layer, odd channels and both types. The device's
// test, which is slow, has the rest.
INSTANTIATE_TEST_SUITE_P(Golden, HostIntegerTest,
                         testing::Values(Case{"v1", WeightType::kInt8}, Case{"se4", WeightType::kInt4},
                                         Case{"v2-odd", WeightType::kInt8}),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Golden, HostFloatTest, testing::Values(Case{"v2-odd", WeightType::kFloat}),
                         case_name);

}  // namespace
}  // namespace fovea::edge
