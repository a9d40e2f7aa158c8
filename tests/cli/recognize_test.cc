#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "support/paths.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> objects;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    EXPECT_NE(end, std::string::npos) << "the last line has no end";
    objects.push_back(Json::parse(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return objects;
}

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

const std::vector<std::string> kContractKeys{"request_id", "file",          "ok",     "error",      "task",
                                             "model",      "model_version", "fields", "confidence", "cached",
                                             "degraded",   "decision",      "timings"};

/// The contract's members, in order; what a task adds stands behind them.
void expect_contract_keys(const Json& answer) {
  auto found = keys(answer);
  ASSERT_GE(found.size(), kContractKeys.size());
  found.resize(kContractKeys.size());
  EXPECT_EQ(found, kContractKeys);
}

class RecognizeTest : public testing::Test {
 protected:
  fs::path add(const std::string& name, const std::string& bytes) {
    const fs::path path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    EXPECT_TRUE(write_file(path, bytes).has_value());
    return path;
  }
  static std::string picture() { return read_file(tiny_picture()).value(); }
  static std::vector<std::string> recognize(std::vector<std::string> more) {
    more.insert(more.begin(), {"recognize", "--model", tiny_model().string()});
    return more;
  }

  test::TemporaryFolder folder_;
};

TEST_F(RecognizeTest, ABrokenFileAmongGoodOnesStopsNothingAndIsNamed) {
  add("a.png", picture());
  add("b.jpg", "broken");
  add("sub/c.PNG", picture());
  add("sub/notes.txt", "no picture");
  const auto done = run(recognize({folder_.path().string(), "--json"}));
  EXPECT_EQ(done.exit_code, 1);
  const auto answers = json_lines(done.out);
  ASSERT_EQ(answers.size(), 3U);
  const std::string root = folder_.path().string();
  EXPECT_EQ(answers[0]["file"], root + "/a.png");
  EXPECT_EQ(answers[1]["file"], root + "/b.jpg");
  EXPECT_EQ(answers[2]["file"], root + "/sub/c.PNG");
  for (const Json& answer : answers) {
    expect_contract_keys(answer);
    EXPECT_EQ(answer["task"], "trading-card");
    EXPECT_EQ(answer["model"], "smolvlm-tiny-f32");
  }
  // Random weights know no cards, but whatever they say has the task's form.
  EXPECT_EQ(answers[0]["ok"], true);
  EXPECT_EQ(answers[0]["fields"].size(), 7U);
  EXPECT_EQ(answers[1]["error"]["type"], "unsupported_media");
  EXPECT_EQ(answers[2]["ok"], true);
  EXPECT_THAT(done.err, AllOf(HasSubstr(root + "/b.jpg: "), HasSubstr("1 of 3 pictures could not be read")));
}

TEST_F(RecognizeTest, AMissingFileIsOneOfThePictures) {
  const auto done = run(recognize({"/nonexistent/a.png", "--json"}));
  EXPECT_EQ(done.exit_code, 1);
  const auto answers = json_lines(done.out);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0]["error"]["type"], "not_found");
  EXPECT_EQ(done.err,
            "fovea: /nonexistent/a.png: cannot open: No such file or directory\n"
            "fovea: 1 of 1 pictures could not be read\n");
}

TEST_F(RecognizeTest, AFolderWithoutPicturesIsSaid) {
  add("notes.txt", "x");
  const auto done = run(recognize({folder_.path().string(), "--json"}));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, AllOf(HasSubstr(folder_.path().string()), HasSubstr("no JPEG, PNG or WebP")));
  EXPECT_EQ(done.out, "");
}

TEST_F(RecognizeTest, AFolderWithoutPicturesBesideAGoodOneIsStillAFailure) {
  fs::create_directories(folder_.path() / "empty");
  const auto done =
      run(recognize({(folder_.path() / "empty").string(), "-", "--json"}), {.input = picture()});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("empty: no JPEG"));
  EXPECT_EQ(json_lines(done.out).size(), 1U);
}

TEST_F(RecognizeTest, ANameInBracketsIsOneFolder) {
  fs::create_directories(folder_.path() / "[a,b]");
  add("[a,b]/card.png", picture());
  const auto before = fs::current_path();
  fs::current_path(folder_.path());
  const auto done = run(recognize({"[a,b]", "--json"}));
  fs::current_path(before);
  const auto answers = json_lines(done.out);
  ASSERT_EQ(answers.size(), 1U) << done.err;
  EXPECT_THAT(answers[0]["file"].get<std::string>(), HasSubstr("[a,b]/card.png"));
}

TEST_F(RecognizeTest, ADashReadsStandardInput) {
  auto done = run(recognize({"-", "--json"}), {.input = picture()});
  auto answers = json_lines(done.out);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0]["file"], "-");
  EXPECT_EQ(answers[0]["ok"], true) << "it was decoded and asked about";

  done = run(recognize({"-", "--json"}), {.input = ""});
  answers = json_lines(done.out);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0]["error"]["type"], "invalid_argument");
}

TEST_F(RecognizeTest, TheTaskMayComeFromTheEnvironment) {
  const auto done =
      run(recognize({tiny_picture().string()}), {.input = "", .environment = {{"FOVEA_TASK", "palmistry"}}});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.err, AllOf(HasSubstr("palmistry"), HasSubstr("trading-card")));
}

TEST_F(RecognizeTest, ANameThatIsNoUtf8StaysAFileAndGivesJson) {
  const auto path = add("\xFF.png", "broken");
  const auto done = run(recognize({path.string(), "--json"}));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(json_lines(done.out).size(), 1U);
}

TEST_F(RecognizeTest, StandardErrorIsNoTerminalSoThereIsNoProgressBar) {
  const auto done = run(recognize({tiny_picture().string(), "--json"}));
  EXPECT_THAT(done.err, testing::Not(HasSubstr("ETA")));
}

/// The model and the pictures that ship with the program.
class ShippedModelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(model_ / "model.safetensors") || !fs::exists(samples_ / "manifest.jsonl")) {
      GTEST_SKIP() << "models/card-reader-s is not in this tree";
    }
  }
  const fs::path model_ = test::source_folder() / "models/card-reader-s";
  const fs::path samples_ = test::source_folder() / "models/samples/trading-card";
};

TEST_F(ShippedModelTest, ReadsItsSamples) {
  const auto done = run({"recognize", "--model", model_.string(), samples_.string(), "--json"});
  const auto answers = json_lines(done.out);
  ASSERT_FALSE(answers.empty()) << done.err;
  std::size_t good = 0;
  for (const Json& answer : answers) {
    expect_contract_keys(answer);
    good += answer["ok"].get<bool>() ? 1 : 0;
    if (!answer["ok"].get<bool>()) continue;
    EXPECT_THAT(keys(answer["fields"]), ElementsAre("name", "hp", "collector_number", "set_name", "rarity",
                                                    "stage", "first_edition"));
    EXPECT_TRUE(answer["error"].is_null());
  }
  EXPECT_GE(2 * good, answers.size());
  EXPECT_EQ(done.exit_code, good == answers.size() ? 0 : 1);
}

TEST_F(ShippedModelTest, PrintsATableForPeople) {
  const auto card = samples_ / "card-1.jpg";
  if (!fs::exists(card)) GTEST_SKIP() << "no card-1.jpg";
  const auto done = run({"recognize", "--model", model_.string(), card.string()});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(std::ranges::count(done.out, '\n'), 2) << done.out;
  EXPECT_THAT(done.out, AllOf(testing::StartsWith("file"), HasSubstr("card-1.jpg")));
}

TEST_F(ShippedModelTest, IsFoundByNameFromABuildInsideTheTree) {
  if (!test::build_folder().string().starts_with(test::source_folder().string()))
    GTEST_SKIP() << "built outside the tree";
  const auto done = run({"tokenize", "--model", "card-reader-s", "--json"}, {.input = "x"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
}

}  // namespace
}  // namespace fovea::cli
