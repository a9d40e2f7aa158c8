#include <cstdio>
#include <sstream>

#include "edge/edge_fixture.h"

namespace fovea::edge {
namespace {

using micro::WeightType;

/// The exported C, compiled for a Cortex-M0+ and run by qemu on a bare machine. Skipped where the packages of
/// scripts/packages.txt, section check, are not installed.
class DeviceTest : public EdgeTest {
 protected:
  void SetUp() override {
    if (std::system("command -v arm-none-eabi-gcc qemu-system-arm >/dev/null") != 0) {
      GTEST_SKIP() << "expected arm-none-eabi-gcc and qemu-system-arm";
    }
    EdgeTest::SetUp();
  }

  void build_and_run() const {
    run_command("arm-none-eabi-gcc " + kFlags + " -c net.c net_model.c");
    run_command("arm-none-eabi-gcc " + kFlags + " -I. -nostartfiles -T '" + (sources_ / "mps2.ld").string() +
                "' -Wl,--gc-sections -Wl,-Map=map -o driver.elf net.o net_model.o '" +
                (sources_ / "driver.c").string() + "' '" + (sources_ / "io_device.c").string() + "'");
    run_command(
        "timeout 300 qemu-system-arm -M mps2-an385 -nographic -icount shift=0 "
        "-semihosting-config enable=on,target=native -kernel driver.elf");
  }

  /// Bytes of code and constants, and of variables, as the linker placed them in sections of net.o and
  /// net_model.o and of the compiler's support library that they call.
  [[nodiscard]] std::size_t linked_bytes() const {
    run_command(
        "awk '$1 ~ /^\\.(text|rodata|vectors)/ {if (NF >= 4) {size = $3; file = $4} else "
        "{getline; size = $2; file = $3}; if (file ~ /net(_model)?\\.o|libgcc|libc/) print size}' map > "
        "sizes");
    std::istringstream lines(read_file(export_ / "sizes").value());
    std::size_t total = 0;
    for (std::string line; std::getline(lines, line);) total += std::stoul(line, nullptr, 16);
    return total;
  }

  /// The report's figures against those of the linker and of the run.
  void expect_true_report() const {
    std::istringstream figures(read_file(export_ / "figures").value());
    std::size_t instructions = 0;
    std::size_t stack = 0;
    std::size_t state = 0;
    std::size_t known_loop = 0;
    figures >> instructions >> stack >> state >> known_loop;
    EXPECT_NEAR(static_cast<double>(known_loop), 200'000.0, 200.0) << "what SysTick counts";
    EXPECT_GT(instructions, model_->layers().size());
    EXPECT_EQ(state, report_["ram"]["state"].get<std::size_t>());
    EXPECT_GT(stack, 0U);
    EXPECT_LE(stack, report_["ram"]["stack_allowance"].get<std::size_t>());
    const std::size_t flash = linked_bytes();
    const auto reported = report_["flash"]["total"].get<std::size_t>();
    EXPECT_LE(flash, reported);
    EXPECT_LE(reported, flash + 4096) << "an allowance far above what is taken says little";
    std::printf(
        "%-7s %-4s  %7zu instructions a picture, %4zu bytes of stack, %6zu of state, %6zu of flash (reported "
        "%zu)\n",
        GetParam().golden, micro::weight_type_name(GetParam().weights), instructions, stack, state, flash,
        reported);
  }

  const std::string kFlags =
      "-mcpu=cortex-m0plus -mthumb -std=c99 -O2 -ffunction-sections -fdata-sections -Wall -Wextra -Werror "
      "-pedantic -Wconversion -Wcast-align=strict -Wshadow";
};

class DeviceIntegerTest : public DeviceTest {};
class DeviceFloatTest : public DeviceTest {};

TEST_P(DeviceIntegerTest, ComputesTheSameBitsAsTheHost) {
  build_and_run();
  if (HasFatalFailure()) return;
  expect_same_bits(outputs());
  expect_true_report();
}

TEST_P(DeviceFloatTest, ComputesWhatTheHostDoes) {
  build_and_run();
  if (HasFatalFailure()) return;
  expect_close(outputs());
  expect_true_report();
}

INSTANTIATE_TEST_SUITE_P(Golden, DeviceIntegerTest,
                         testing::Values(Case{"v1", WeightType::kInt8}, Case{"v1", WeightType::kInt4},
                                         Case{"v2", WeightType::kInt8}, Case{"v2", WeightType::kInt4},
                                         Case{"se4", WeightType::kInt8}, Case{"se4", WeightType::kInt4},
                                         Case{"se8", WeightType::kInt8}, Case{"3block", WeightType::kInt8},
                                         Case{"3block", WeightType::kInt4}, Case{"v1-odd", WeightType::kInt8},
                                         Case{"v2-odd", WeightType::kInt8},
                                         Case{"v2-odd", WeightType::kInt4}),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Golden, DeviceFloatTest,
                         testing::Values(Case{"v1", WeightType::kFloat}, Case{"se4", WeightType::kFloat},
                                         Case{"v2-odd", WeightType::kFloat}),
                         case_name);

}  // namespace
}  // namespace fovea::edge
