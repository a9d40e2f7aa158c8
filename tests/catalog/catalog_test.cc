#include "catalog/catalog.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "catalog/catalog_fixture.h"

namespace fovea::catalog {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(CatalogTest, AHeaderNamesFieldsWhateverItsCaseAndOtherColumnsAreKept) {
  const auto report =
      import("SKU,Name,HP,Collector_Number,First_Edition\nx1,Emberling,60,004/102,yes\nx2,Mirune,,5/102,0\n");
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->imported, 2U);
  EXPECT_EQ(report->refused, 0U);
  EXPECT_THAT(report->extra_columns, ElementsAre("SKU"));
  const auto found = match({{"name", "Emberling"}}, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(
      found[0].fields.dump(),
      R"({"name":"Emberling","hp":60,"collector_number":"004/102","set_name":null,"rarity":null,"stage":null,"first_edition":true})");
  EXPECT_EQ(found[0].extra.dump(), R"({"SKU":"x1"})");
}

TEST_F(CatalogTest, BadRecordsAreCountedAndToldWithTheirLines) {
  const auto report = import("name,hp\nEmberling,60\nMirune,many\nKelo\n,\n\"open\"x,1\nDrannix,70\n");
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->imported, 2U);
  EXPECT_EQ(report->refused, 4U);
  std::vector<std::size_t> lines;
  for (const auto& mistake : report->mistakes) lines.push_back(mistake.line);
  EXPECT_THAT(lines, ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(report->mistakes[0].message, HasSubstr("hp \"many\" has the wrong type"));
  EXPECT_THAT(report->mistakes[1].message, HasSubstr("expected 2 values as in the header, found 1"));
}

TEST_F(CatalogTest, AnImportReplacesOrLeavesEverything) {
  ASSERT_TRUE(import("name\nEmberling\nMirune\n").has_value());
  EXPECT_EQ(entries(), 2U);
  const auto strict = import("name,hp\nKelo,60\nDrannix,x\n", {.strict = true});
  ASSERT_FALSE(strict.has_value());
  EXPECT_EQ(strict.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(strict.error().message, AllOf(HasSubstr(":3:"), HasSubstr("nothing imported")));
  EXPECT_FALSE(import("name,hp\n").has_value());
  EXPECT_FALSE(import("").has_value());
  EXPECT_FALSE(import("colour\nred\n").has_value());
  EXPECT_FALSE(import("name,NAME\na,b\n").has_value());
  const auto too_many = import("name\na\nb\nc\n", {.max_entries = 2});
  ASSERT_FALSE(too_many.has_value());
  EXPECT_EQ(too_many.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(entries(), 2U) << "the old entries stay through all of this";
  EXPECT_EQ(match({{"name", "Emberling"}}).size(), 1U);

  ASSERT_TRUE(import("name\nKelo\n").has_value());
  EXPECT_EQ(entries(), 1U);
  EXPECT_TRUE(match({{"name", "Emberling"}}).empty()) << "the indexes forget what was replaced";
}

TEST_F(CatalogTest, SeveralFilesAreOneImport) {
  const std::vector files{write("name\nKelo\n", "a.csv"), write("hp,name\n60,Mirune\n", "b.csv")};
  ASSERT_TRUE(catalog_->import_csv(card(), files).has_value());
  EXPECT_EQ(entries(), 2U);
  const std::vector missing{write("name\nKelo\n", "a.csv"), folder_.path() / "none.csv"};
  const auto failed = catalog_->import_csv(card(), missing);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(entries(), 2U);
}

TEST_F(CatalogTest, TasksHaveEntriesOfTheirOwn) {
  tasks::Task other = card();
  other.name = "other";
  const std::vector files{write("name\nKelo\n")};
  ASSERT_TRUE(catalog_->import_csv(other, files).has_value());
  ASSERT_TRUE(import("name\nEmberling\nMirune\n").has_value());
  EXPECT_TRUE(match({{"name", "Kelo"}}).empty());
  EXPECT_EQ(catalog_->clear("trading-card").value(), 2U);
  EXPECT_EQ(catalog_->clear("trading-card").value(), 0U);
  EXPECT_EQ(catalog_->match(other, {{"name", "Kelo"}}).value().size(), 1U);
}

TEST_F(CatalogTest, KnownValuesAnswerTheCheck) {
  const auto known = catalog_->known_values(card());
  const tasks::Field& set = *card().find_field("set_name");
  EXPECT_EQ(known(set, "first light"), std::nullopt) << "nothing was imported";
  ASSERT_TRUE(import("name,set_name\nEmberling,First  Light\n").has_value());
  EXPECT_EQ(known(set, "first light"), true);
  EXPECT_EQ(known(set, "last light"), false);
}

TEST_F(CatalogTest, WhatIsThereIsOpenedForReadingOnly) {
  EXPECT_EQ(Catalog::open_existing(folder_.path() / "none.db").value(), nullptr);
  ASSERT_TRUE(import("name\nEmberling\n").has_value());
  auto reader = Catalog::open_existing(path());
  ASSERT_TRUE(reader.has_value()) << reader.error().message;
  EXPECT_EQ((*reader)->match(card(), {{"name", "Emberling"}}).value().size(), 1U);
  EXPECT_FALSE((*reader)->clear("trading-card").has_value());
}

TEST_F(CatalogTest, AFileThatIsNoCatalogueIsAClearError) {
  ASSERT_TRUE(write_file(folder_.path() / "text.db", std::string(5000, 'x')).has_value());
  const auto text = Catalog::open(folder_.path() / "text.db");
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::kDamaged);
  EXPECT_THAT(text.error().message, HasSubstr("text.db"));
}

TEST_F(CatalogTest, ADamagedIndexIsAnErrorAndNoCrash) {
  std::string rows = "name\n";
  for (int i = 0; i < 2000; ++i) rows += "Card number " + std::to_string(i * 7919) + "\n";
  ASSERT_TRUE(import(rows).has_value());
  catalog_.reset();
  auto bytes = read_file(path()).value();
  for (std::size_t at = 8192; at + 64 < bytes.size(); at += 4096) bytes.replace(at, 64, 64, '\xA5');
  ASSERT_TRUE(write_file(path(), bytes).has_value());
  auto damaged = Catalog::open_existing(path());
  if (!damaged) return;  // seen at once
  const auto found = (*damaged)->match(card(), {{"name", "Card number 7919"}});
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kDamaged);
}

TEST_F(CatalogTest, AFolderThatCannotBeMadeIsAnIoError) {
  ASSERT_TRUE(write_file(folder_.path() / "file", "x").has_value());
  const auto opened = Catalog::open(folder_.path() / "file" / "catalog.db");
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kIo);
}

TEST_F(CatalogTest, ManyThreadsMayAsk) {
  ASSERT_TRUE(import("name,collector_number\nEmberling,1/10\nMirune,2/10\n").has_value());
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        EXPECT_EQ(match({{"name", "Emberlink"}}).at(0).fields["name"], "Emberling");
    });
  }
}

}  // namespace
}  // namespace fovea::catalog
