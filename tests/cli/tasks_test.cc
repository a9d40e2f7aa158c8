#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "cli/program.h"
#include "reviews/reviews.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

/// `fovea tasks`, `catalog` and `reviews` with a home of their own.
class TaskCommandsTest : public testing::Test {
 protected:
  Finished fovea(const std::vector<std::string>& arguments, Environment more = {}) {
    more.insert({{"XDG_STATE_HOME", (folder_.path() / "state").string()},
                 {"XDG_DATA_HOME", (folder_.path() / "data").string()}});
    return run(arguments, {.input = "", .environment = more});
  }
  std::string write(const std::string& name, const std::string& text) {
    const auto path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    EXPECT_TRUE(write_file(path, text).has_value());
    return path.string();
  }
  static std::string task(const std::string& name) {
    return "name = \"" + name + "\"\nprompt = \"p\"\nfields = [{ name = \"a\", type = \"text\" }]\n";
  }

  test::TemporaryFolder folder_;
};

TEST_F(TaskCommandsTest, TasksAreListedFromEveryPlace) {
  write("data/fovea/tasks/mine.toml", task("mine"));
  const std::string extra = write("extra/other.toml", task("other"));
  const auto done = fovea({"tasks", "list", "--tasks", (folder_.path() / "extra").string()});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out,
              AllOf(HasSubstr("trading-card"), HasSubstr("built in"), HasSubstr("mine"), HasSubstr(extra)));
  const auto by_variable = fovea({"tasks", "list", "--json"}, {{"FOVEA_TASKS", extra}});
  EXPECT_EQ(by_variable.exit_code, 0) << by_variable.err;
  EXPECT_EQ(Json::parse(by_variable.out)["tasks"].size(), 4U);
}

TEST_F(TaskCommandsTest, ATaskIsShownWithItsSchema) {
  const auto done = fovea({"tasks", "show", "trading-card"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(Json::parse(done.out)["schema"]["required"].size(), 7U);
  EXPECT_EQ(fovea({"tasks", "show", "none"}).exit_code, 2);
}

TEST_F(TaskCommandsTest, CheckingAFileSaysOkOrEveryMistake) {
  const auto good = fovea({"tasks", "check", write("good.toml", task("good"))});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(good.out, AllOf(HasSubstr("\"additionalProperties\": false"), HasSubstr("ok: task good")));
  const std::string bad_file = write("bad.toml", "name = \"B\"\nprompt = 3\nfields = []\n");
  const auto bad = fovea({"tasks", "check", bad_file});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_EQ(bad.out, "");
  EXPECT_THAT(bad.err, AllOf(HasSubstr(bad_file + ":1:8: "), HasSubstr(bad_file + ":2:10: "),
                             HasSubstr(bad_file + ":3:10: ")));
  EXPECT_EQ(fovea({"tasks", "check", "/no/such/file"}).exit_code, 1);
  EXPECT_EQ(fovea({"tasks"}).exit_code, 2);
}

TEST_F(TaskCommandsTest, AFaultyTaskFileStopsARecognition) {
  const auto done = fovea({"recognize", "--model", tiny_model().string(), "--tasks",
                           write("bad.toml", "name = 3"), tiny_picture().string()});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.err, HasSubstr("bad.toml:1:8: name: expected a text, found 3"));
}

TEST_F(TaskCommandsTest, ACatalogueIsImportedMatchedAndCleared) {
  const auto none = fovea({"catalog", "match", "--field", "name=x"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("fovea catalog import"));
  const std::string cards =
      write("cards.csv", "name,hp,collector_number\nEmberling,60,4/102\nMirune,x,5/102\n");
  const auto imported = fovea({"catalog", "import", cards});
  EXPECT_EQ(imported.exit_code, 1) << "a record was refused";
  EXPECT_THAT(imported.out, HasSubstr("1 entries imported, 1 records refused"));
  EXPECT_THAT(imported.err, HasSubstr(cards + ":3: hp \"x\" has the wrong type"));
  const auto matched = fovea({"catalog", "match", "--field", "name=Emberlink", "--field", "hp=60", "--json"});
  EXPECT_EQ(matched.exit_code, 0) << matched.err;
  EXPECT_EQ(Json::parse(matched.out)["candidates"][0]["fields"]["name"], "Emberling");
  EXPECT_EQ(fovea({"catalog", "match", "--field", "colour=red"}).exit_code, 2);
  EXPECT_EQ(fovea({"catalog", "match", "--field", "hp=many"}).exit_code, 1);
  EXPECT_THAT(fovea({"catalog", "stats"}).out, HasSubstr("trading-card: 1 entries"));
  EXPECT_THAT(fovea({"catalog", "clear"}).out, HasSubstr("1 entries removed"));
}

TEST_F(TaskCommandsTest, ReviewsAreDecidedAndExported) {
  const Json fields{{"name", "Emberling"},   {"hp", 60},          {"collector_number", nullptr},
                    {"set_name", nullptr},   {"rarity", nullptr}, {"stage", nullptr},
                    {"first_edition", false}};
  const Json recognition{
      {"task", "trading-card"}, {"model", "m"}, {"model_version", "v"}, {"fields", fields}};
  {
    const auto queue =
        reviews::ReviewQueue::open(folder_.path() / "state" / "fovea", tasks::builtin_tasks()).value();
    for (const std::string picture : {"one", "two", "three"}) {
      ASSERT_TRUE(queue->add(recognition, std::as_bytes(std::span(picture)), "unsure").has_value());
    }
  }
  EXPECT_THAT(fovea({"reviews", "list"}).out, AllOf(HasSubstr("Emberling"), HasSubstr("unsure")));
  EXPECT_THAT(fovea({"reviews", "accept", "1", "--who", "ann"}).out, HasSubstr("review 1: accepted by ann"));
  const auto twice = fovea({"reviews", "reject", "1", "--reason", "no"});
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_THAT(twice.err, HasSubstr("review 1 was accepted by ann"));
  const auto corrected = fovea({"reviews", "correct", "2", "--fields", R"({"hp": 70})", "--json"});
  EXPECT_EQ(corrected.exit_code, 0) << corrected.err;
  EXPECT_EQ(Json::parse(corrected.out)["fields"]["hp"], 70);
  EXPECT_EQ(fovea({"reviews", "correct", "3", "--fields", R"({"hp": "x"})"}).exit_code, 1);
  EXPECT_EQ(Json::parse(fovea({"reviews", "show", "2"}).out)["history"].size(), 2U);
  const std::string set = (folder_.path() / "set").string();
  EXPECT_THAT(fovea({"reviews", "export", set}).out, HasSubstr("2 pictures"));
  EXPECT_TRUE(std::filesystem::exists(set + "/manifest.jsonl"));
}

}  // namespace
}  // namespace fovea::cli
