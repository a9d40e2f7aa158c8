#include "evaluate/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fovea::evaluate {
namespace {

using testing::HasSubstr;

double parsed(const char* text, Dimension dimension) {
  const auto value = parse_quantity(text, dimension);
  EXPECT_TRUE(value.has_value()) << text;
  return value.value_or(-1);
}

TEST(UnitsTest, ReadsEveryUnit) {
  EXPECT_DOUBLE_EQ(parsed("0.80", Dimension::kShare), 0.8);
  EXPECT_EQ(parsed("57%", Dimension::kShare), 0.57) << "to the bit: it is compared with 57 of 100";
  EXPECT_DOUBLE_EQ(parsed(" 80 % ", Dimension::kShare), 0.8);
  EXPECT_DOUBLE_EQ(parsed("250us", Dimension::kTime), 0.25);
  EXPECT_DOUBLE_EQ(parsed("250 ms", Dimension::kTime), 250);
  EXPECT_DOUBLE_EQ(parsed("3s", Dimension::kTime), 3000);
  EXPECT_DOUBLE_EQ(parsed("0.5min", Dimension::kTime), 30'000);
  EXPECT_DOUBLE_EQ(parsed("512B", Dimension::kBytes), 512);
  EXPECT_DOUBLE_EQ(parsed("180KB", Dimension::kBytes), 180'000);
  EXPECT_DOUBLE_EQ(parsed("180KiB", Dimension::kBytes), 184'320);
  EXPECT_DOUBLE_EQ(parsed("1.5MB", Dimension::kBytes), 1'500'000);
  EXPECT_DOUBLE_EQ(parsed("1MiB", Dimension::kBytes), 1'048'576);
  EXPECT_DOUBLE_EQ(parsed("2GB", Dimension::kBytes), 2e9);
  EXPECT_DOUBLE_EQ(parsed("2GiB", Dimension::kBytes), 2147483648.0);
  EXPECT_DOUBLE_EQ(parsed("1TiB", Dimension::kBytes), 1099511627776.0);
  EXPECT_DOUBLE_EQ(parsed("12/s", Dimension::kRate), 12);
  EXPECT_DOUBLE_EQ(parsed("12", Dimension::kRate), 12);
  EXPECT_DOUBLE_EQ(parsed("3.5M", Dimension::kCount), 3.5e6);
  EXPECT_DOUBLE_EQ(parsed("582", Dimension::kCount), 582);
}

TEST(UnitsTest, WhatIsNotExactlyAUnitIsRefusedWithWhatWasExpected) {
  const auto expect_refused = [](const char* text, Dimension dimension, const char* expected) {
    const auto value = parse_quantity(text, dimension);
    ASSERT_FALSE(value.has_value()) << text;
    EXPECT_EQ(value.error().code, ErrorCode::kUsage);
    EXPECT_THAT(value.error().message, HasSubstr(expected)) << text;
  };
  for (const char* text : {"", "3", "3S", "3 sec", "3ms2", "s", "-3s", "nan s", "inf ms", "3e999s", "0x3s"}) {
    expect_refused(text, Dimension::kTime, "a time with its unit (us, ms, s, min)");
  }
  for (const char* text : {"2", "2gb", "2Gb", "2G", "2kb", "2 GB!", "2s"}) {
    expect_refused(text, Dimension::kBytes, "a size with its unit (B, KB, MB, GB, TB, or KiB");
  }
  for (const char* text : {"80", "1.01", "101%", "80percent", "0.8s"}) {
    expect_refused(text, Dimension::kShare, "a share from 0 to 1, or per cent");
  }
  for (const char* text : {"12/min", "fast"}) expect_refused(text, Dimension::kRate, "a rate");
  for (const char* text : {"12k", "1m"}) expect_refused(text, Dimension::kCount, "a number");
}

TEST(UnitsTest, WritesThreeDigitsInAFittingUnit) {
  EXPECT_EQ(format_quantity(0.875, Dimension::kShare), "87.5 %");
  EXPECT_EQ(format_quantity(0.2314, Dimension::kTime), "0.231 ms");
  EXPECT_EQ(format_quantity(1.5, Dimension::kTime), "1.50 ms");
  EXPECT_EQ(format_quantity(999.96, Dimension::kTime), "1000 ms");
  EXPECT_EQ(format_quantity(12'345, Dimension::kTime), "12.3 s");
  EXPECT_EQ(format_quantity(19'920'832, Dimension::kBytes), "19.9 MB");
  EXPECT_EQ(format_quantity(582, Dimension::kBytes), "582 B");
  EXPECT_EQ(format_quantity(1e3, Dimension::kBytes), "1.00 KB");
  EXPECT_EQ(format_quantity(582, Dimension::kCount), "582");
  EXPECT_EQ(format_quantity(9'950'000, Dimension::kCount), "9.95 M");
  EXPECT_EQ(format_quantity(1.234, Dimension::kRate), "1.23/s");
}

}  // namespace
}  // namespace fovea::evaluate
