#include "recognize/judge.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_folder.h"
#include "tasks/task_set.h"

namespace fovea::recognize {
namespace {

using Json = nlohmann::ordered_json;

const tasks::Task& card() {
  return *tasks::builtin_tasks()->find("trading-card");
}

Recognition reading(const std::string& name) {
  Recognition recognition;
  recognition.task = "trading-card";
  recognition.fields = {{"name", name},          {"hp", 61},          {"collector_number", "004/102"},
                        {"set_name", nullptr},   {"rarity", nullptr}, {"stage", nullptr},
                        {"first_edition", false}};
  return recognition;
}

TEST(JudgeTest, FieldsKeepWhatTheCardPrintsAndChecksSayWhatIsOdd) {
  Recognition recognition = reading("  Emberling ");
  judge(card(), nullptr, recognition);
  const Json json = recognition.to_json();
  EXPECT_EQ(json["fields"]["name"], "Emberling");
  EXPECT_EQ(json["fields"]["collector_number"], "004/102");
  EXPECT_EQ(json["fields"]["hp"], 61) << "a check changes nothing";
  EXPECT_EQ(json["checks"][0]["check"], "plausible_hp");
  EXPECT_EQ(json["checks"][0]["ok"], false);
  EXPECT_FALSE(json.contains("candidates"));
  EXPECT_FALSE(json.contains("review_id"));
  auto last = json.end();
  --last;
  EXPECT_EQ(last.key(), "checks") << "behind the contract's members";
}

TEST(JudgeTest, AFailedReadingIsLeftAsItIs) {
  Recognition recognition;
  recognition.error = Error{ErrorCode::kInvalidImage, "cut short"};
  judge(card(), nullptr, recognition);
  EXPECT_FALSE(recognition.to_json().contains("checks"));
}

TEST(JudgeTest, TheCatalogueNamesCandidates) {
  const test::TemporaryFolder folder;
  const auto catalogue = catalog::Catalog::open(folder.path() / "catalog.db").value();
  const std::vector files{folder.path() / "cards.csv"};
  ASSERT_TRUE(write_file(files[0], "name,collector_number\nEmberling,4/102\n").has_value());
  ASSERT_TRUE(catalogue->import_csv(card(), files).has_value());
  Recognition recognition = reading("Emberlink");
  judge(card(), catalogue.get(), recognition);
  recognition.review_id = 7;
  const Json json = recognition.to_json();
  ASSERT_EQ(json["candidates"].size(), 1U);
  EXPECT_EQ(json["candidates"][0]["fields"]["name"], "Emberling");
  EXPECT_EQ(json["review_id"], 7);
}

}  // namespace
}  // namespace fovea::recognize
