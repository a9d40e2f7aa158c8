#include "catalog/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

namespace fovea::catalog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<CsvRecord> read(const std::string& text, const CsvLimits& limits = {}) {
  std::istringstream input(text);
  CsvReader reader(input, limits);
  std::vector<CsvRecord> records;
  CsvRecord record;
  while (reader.next(record).value()) records.push_back(record);
  return records;
}

TEST(CsvTest, RecordsAreReadAsRfc4180HasThem) {
  const auto records = read("a,b,c\r\n\"x, y\",\"he said \"\"no\"\"\",\"two\r\nlines\"\n1,,\n");
  ASSERT_EQ(records.size(), 3U);
  EXPECT_THAT(records[0].values, ElementsAre("a", "b", "c"));
  EXPECT_THAT(records[1].values, ElementsAre("x, y", "he said \"no\"", "two\r\nlines"));
  EXPECT_THAT(records[2].values, ElementsAre("1", "", ""));
  EXPECT_EQ(records[1].line, 2U);
  EXPECT_EQ(records[2].line, 4U) << "a quoted line end counts";
}

TEST(CsvTest, AMissingLastLineEndAndEmptyLinesAreFine) {
  EXPECT_EQ(read("a,b").size(), 1U);
  EXPECT_EQ(read("a\n\n\r\nb\n").size(), 2U);
  EXPECT_TRUE(read("").empty());
  EXPECT_TRUE(read("\n\n").empty());
  EXPECT_EQ(read("\"\"\n").size(), 1U) << "one empty value is a record";
  EXPECT_THAT(read("a,\n").at(0).values, ElementsAre("a", ""));
  EXPECT_THAT(read("a,").at(0).values, ElementsAre("a", ""));
}

TEST(CsvTest, AByteOrderMarkIsSkipped) {
  EXPECT_THAT(read("\xEF\xBB\xBF\"a\",b\n").at(0).values, ElementsAre("a", "b"));
  EXPECT_THAT(read("\xEF\xBD\x81,b\n").at(0).values, ElementsAre("\xEF\xBD\x81", "b"))
      << "only begins like one";
}

TEST(CsvTest, MalformedRecordsAreReportedAndReadingGoesOn) {
  for (const std::string& bad :
       std::vector<std::string>{"a\"b,c", "\"a\"b,c", "a,\xFF", std::string("a\0b", 3)}) {
    const auto records = read("one\n" + bad + "\ntwo\n");
    ASSERT_EQ(records.size(), 3U) << bad;
    EXPECT_FALSE(records[1].mistake.empty()) << bad;
    EXPECT_TRUE(records[1].values.empty());
    EXPECT_EQ(records[1].line, 2U);
    EXPECT_THAT(records[2].values, ElementsAre("two"));
  }
  const auto open = read("one\n\"never closed\ntwo\n");
  ASSERT_EQ(open.size(), 2U);
  EXPECT_THAT(open[1].mistake, HasSubstr("ends inside a quoted value"));
}

TEST(CsvTest, LimitsHold) {
  const auto records = read("a\n" + std::string(100, 'x') + "\nb\n", {.max_record_bytes = 10});
  ASSERT_EQ(records.size(), 3U);
  EXPECT_THAT(records[1].mistake, HasSubstr("at most 10 bytes"));
  EXPECT_THAT(records[2].values, ElementsAre("b"));
  EXPECT_THAT(read("\"" + std::string(100, 'x'), {.max_record_bytes = 10}).at(0).mistake,
              HasSubstr("at most 10 bytes"));
  EXPECT_THAT(read(std::string(300, ',')).at(0).mistake, HasSubstr("at most 256 values"));
}

TEST(CsvTest, WhatIsNearlyAByteOrderMarkBeginsAValueWithoutQuotes) {
  EXPECT_THAT(read("\xEF\xBB\"\xBFx\",b").at(0).mistake, HasSubstr("no quote inside an unquoted value"));
}

TEST(CsvTest, WhatIsWrittenComesBack) {
  const std::vector<std::string> pieces{"a", ",",  "\"", "\n", "\r\n",        "é",
                                        " ", "\r", "",   "龍", "\xEF\xBB\xBF"};
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::vector<std::string>> rows(1 + random() % 4);
    std::string text;
    for (auto& row : rows) {
      row.resize(1 + random() % 4);
      for (std::string& value : row) {
        for (auto n = random() % 5; n > 0; --n) value += pieces[random() % pieces.size()];
      }
      text += csv_line(row) + (random() % 2 == 0 ? "\n" : "\r\n");
    }
    const auto records = read(text);
    ASSERT_EQ(records.size(), rows.size()) << text;
    for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(records[i].values, rows[i]) << text;
  }
}

}  // namespace
}  // namespace fovea::catalog
