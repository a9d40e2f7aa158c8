#include "tasks/task_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "support/paths.h"
#include "tasks/check.h"
#include "tasks/normalise.h"
#include "tasks/task_set.h"

namespace fovea::tasks {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kHead = "name = \"t\"\nprompt = \"Read.\"\n";

Task parsed(const std::string& toml) {
  const auto task = parse_task(toml);
  EXPECT_TRUE(task.has_value()) << describe(task.error(), "t.toml");
  return task ? *task : Task();
}

std::vector<Mistake> mistakes(const std::string& toml) {
  const auto task = parse_task(toml);
  EXPECT_FALSE(task.has_value()) << toml;
  return task ? std::vector<Mistake>() : task.error();
}

/// One field, as the rest of a line of TOML.
std::string with_field(const std::string& rest) {
  return kHead + "fields = [ { name = \"a\", " + rest + " } ]\n";
}

TEST(TaskFileTest, TenLinesMakeATask) {
  const Task task = parsed(kHead + R"(
fields = [
  { name = "b_first", type = "text", max_length = 5, pattern = "[a-z]+", clean = ["trim"], accept = 0.5 },
  { name = "a", type = "number", minimum = -1, maximum = 2.5, nullable = false },
  { name = "c", type = "label", one_of = ["x", "y"], title = "C", width = 3 },
]
)");
  EXPECT_EQ(task.name, "t");
  EXPECT_EQ(task.prompt, "Read.");
  ASSERT_EQ(task.fields.size(), 3U);
  EXPECT_EQ(task.fields[0].name, "b_first") << "the file's order is kept";
  EXPECT_EQ(task.fields[0].title, "b first");
  EXPECT_EQ(task.fields[0].accept, 0.5);
  EXPECT_EQ(task.fields[1].minimum, -1);
  EXPECT_FALSE(task.fields[1].nullable);
  EXPECT_THAT(task.fields[2].one_of, ElementsAre("x", "y"));
}

TEST(TaskFileTest, TheSampleOfTheDocumentationIsATaskForTheEmbeddedModels) {
  const std::string page = read_file(test::source_folder().string() + "/docs/tasks.md").value();
  const std::size_t begin = page.find("```toml\n") + 8;
  const Task sample = parsed(page.substr(begin, page.find("```", begin) - begin));
  const Task& card = *builtin_tasks()->find("trading-card");
  EXPECT_EQ(sample.prompt, card.prompt);
  ASSERT_EQ(sample.fields.size(), card.fields.size());
  for (std::size_t i = 0; i < card.fields.size(); ++i) EXPECT_EQ(sample.fields[i].name, card.fields[i].name);
}

TEST(TaskFileTest, TheDocumentationNamesEveryFunction) {
  const std::string page = read_file(test::source_folder().string() + "/docs/tasks.md").value();
  for (const Normaliser& normaliser : normalisers()) {
    EXPECT_THAT(page, HasSubstr(fmt::format("`{}`", normaliser.name)));
  }
  for (const Validator& validator : validators())
    EXPECT_THAT(page, HasSubstr(fmt::format("| `{}` |", validator.name)));
}

TEST(TaskFileTest, LabelsMakeATaskWithOneField) {
  const Task task = parsed(kHead + "labels = [\"yes\", { name = \"no\", meaning = \"it is not\" }]\n");
  EXPECT_EQ(task.kind, Kind::kLabels);
  ASSERT_EQ(task.labels.size(), 2U);
  EXPECT_EQ(task.labels[1].meaning, "it is not");
  ASSERT_EQ(task.fields.size(), 1U);
  EXPECT_EQ(task.fields[0].name, kLabelField);
}

TEST(TaskFileTest, AllMistakesAreReportedAtOnceWithTheirPlaces) {
  const auto found = mistakes(
      "name = \"My Task\"\n"       // 1
      "prompt = 7\n"               // 2
      "colour = \"red\"\n"         // 3
      "[thresholds]\n"             // 4
      "accept = 1.5\n"             // 5
      "[[fields]]\n"               // 6
      "name = \"a\"\n"             // 7
      "type = \"texte\"\n"         // 8
      "normalise = [\"trimm\"]\n"  // 9
      "[[fields]]\n"               // 10
      "name = \"a\"\n"             // 11
      "type = \"text\"\n"          // 12
      "pattern = \"(\"\n");        // 13
  std::vector<std::size_t> lines;
  for (const Mistake& mistake : found) lines.push_back(mistake.line);
  EXPECT_THAT(lines, ElementsAre(1, 2, 3, 5, 8, 9, 11, 13));
  const std::string text = describe(found, "my.toml");
  EXPECT_THAT(text,
              AllOf(HasSubstr("my.toml:1:8: name: expected a-z, 0-9 and -, found \"My Task\""),
                    HasSubstr("my.toml:2:10: prompt: expected a text, found 7"),
                    HasSubstr("my.toml:3:1: a task has no key \"colour\"; expected one of: name, prompt"),
                    HasSubstr("expected a number from 0 to 1, found 1.5"),
                    HasSubstr("expected one of: text, whole_number, number, flag, label; found \"texte\""),
                    HasSubstr("found \"trimm\""), HasSubstr("the field a stands twice"),
                    HasSubstr("a group is not closed")));
}

TEST(TaskFileTest, EveryKindOfMistakeIsRefused) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "needs the key name"},
      {"name = \"t\"", "needs the key prompt"},
      {kHead, "needs the key fields"},
      {kHead + "fields = []", "expected 1 to 64 fields, found 0"},
      {kHead + "fields = [1]", "expected tables"},
      {kHead + "fields = 1", "expected an array, found 1"},
      {kHead + "labels = []", "expected 2 to 1000 labels, found 0"},
      {kHead + "labels = [\"a\", \"a\"]", "stands twice"},
      {kHead + "labels = [\"a\", 1]", "expected texts or tables"},
      {kHead + "kind = \"fields\"\nlabels = [\"a\", \"b\"]\nfields = [{ name = \"a\", type = \"text\" }]",
       "has none"},
      {kHead + "kind = \"other\"", "expected one of: fields, labels"},
      {kHead + "kind = \"labels\"", "needs the key labels"},
      {"name = \"t\"\nprompt = \"\"", "expected a text of 1 to"},
      {"name = \"t\"\nprompt = \"<image> what?\"", "<image>"},
      {kHead + "name = \"again\"", "name"},
      {kHead + "max_new_tokens = 0", "expected a whole number from 1"},
      {kHead + "complex = 1", "expected true or false, found 1"},
      {kHead + "models = 3", "expected a table"},
      {kHead + "[models]\nslow = \"x\"", "[models] has no key \"slow\""},
      {kHead + "= =", ""},
      {with_field("type = \"text\", minimum = 1"), "minimum is for numbers, found a text"},
      {with_field("type = \"number\", max_length = 1"), "max_length is for text, found a number"},
      {with_field("type = \"number\", minimum = 2, maximum = 1"), "expected at most the maximum"},
      {with_field("type = \"number\", minimum = nan"), "expected a number from"},
      {with_field("type = \"whole_number\", minimum = -1"), "expected a number from 0"},
      {with_field("type = \"label\""), "a label needs one_of"},
      {with_field("type = \"label\", one_of = []"), "a label needs one_of"},
      {with_field("type = \"label\", one_of = [\"a\", \"a\"]"), "stands twice"},
      {with_field("type = \"text\", one_of = [\"a\"]"), "one_of is for type = \"label\""},
      {with_field("type = \"text\", clean = [\"lower\"]"), "white space only"},
      {with_field("type = \"number\", clean = [\"trim\"]"), "only text is cleaned"},
      {with_field("type = \"text\", check = [\"plausible_hp\"]"), "plausible_hp is for numbers"},
      {with_field("type = \"text\", check = [\"nothing\"]"), "expected some of: plausible_hp"},
      {with_field("type = \"flag\", match = \"similar\""), "only text can be similar"},
      {with_field("type = \"text\", accept = -0.1"), "expected a number from 0 to 1"},
      {with_field("type = \"text\", title = \"a\\u0007b\""), "without control characters"},
      {with_field("type = \"text\", width = \"wide\""), "expected a whole number"},
  };
  for (const auto& [toml, message] : cases) {
    const auto found = mistakes(toml);
    ASSERT_FALSE(found.empty()) << toml;
    EXPECT_THAT(describe(found, "t.toml"), HasSubstr(message)) << toml;
    EXPECT_THAT(describe(found, "t.toml"), testing::StartsWith("t.toml:")) << toml;
  }
}

TEST(TaskFileTest, FieldNamesAreKeptPlain) {
  for (const std::string bad : {"A", "1a", "a b", "a-b", "ä", "_a"}) {
    const auto found = mistakes(kHead + fmt::format("fields = [{{ name = \"{}\", type = \"text\" }}]", bad));
    EXPECT_THAT(describe(found, "t"), HasSubstr("expected a-z, then a-z, 0-9 and _")) << bad;
  }
}

TEST(TaskFileTest, HostileFilesAreRefused) {
  EXPECT_FALSE(
      parse_task(std::string("name = \"x\"\n[^\0\0P`^[]\nname", 24)));  // toml++ would end the process
  EXPECT_THAT(describe(mistakes(std::string(kMaxTaskFileBytes + 1, '#')), "t"),
              HasSubstr("expected at most"));
  (void)mistakes("a = " + std::string(100'000, '['));
  std::string dotted = "a";
  for (int i = 0; i < 100'000; ++i) dotted += ".a";
  EXPECT_THAT(describe(mistakes("[" + dotted + "]"), "t"), HasSubstr("dots"));
  std::string nested = "x = ";
  for (int i = 0; i < 200; ++i) nested += "{a.a.a.a.a.a.a.a = ";
  (void)mistakes(nested);
  (void)mistakes("\xFF\xFE\x00");
  (void)mistakes(std::string("name = \"a\0b\"", 12));
  EXPECT_FALSE(parse_task("\uFCFFname = \"x\"\n").has_value());  // toml++ calls such a character impossible
}

}  // namespace
}  // namespace fovea::tasks
