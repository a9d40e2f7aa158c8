#include "tasks/task_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <thread>

#include "base/file.h"
#include "support/temporary_folder.h"
#include "tasks/builtin.h"
#include "tasks/task_file.h"

namespace fovea::tasks {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::string task_text(const std::string& name, const std::string& prompt = "Read.") {
  return "name = \"" + name + "\"\nprompt = \"" + prompt +
         "\"\nfields = [{ name = \"a\", type = \"text\" }]\n";
}

class TaskSetTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    const auto path = folder_.path() / name;
    EXPECT_TRUE(write_file(path, text).has_value());
    return path;
  }
  Result<TaskSet> load(const std::vector<std::filesystem::path>& paths) { return TaskSet::load(paths); }

  test::TemporaryFolder folder_;
};

TEST_F(TaskSetTest, EveryBuiltInFileIsATask) {
  ASSERT_FALSE(builtin_task_files().empty());
  for (const auto& [file, text] : builtin_task_files()) {
    const auto task = parse_task(text);
    ASSERT_TRUE(task.has_value()) << describe(task.error(), file);
    EXPECT_EQ(task->name + ".toml", file);
    const Task* found = builtin_tasks()->find(task->name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->digest(), task->digest());
  }
  EXPECT_THAT(builtin_tasks()->names(), AllOf(Contains("trading-card"), Contains("pizza")));
  EXPECT_EQ(builtin_tasks()->find("no-such-task"), nullptr);
  EXPECT_EQ(builtin_tasks()->find(""), nullptr);
}

TEST_F(TaskSetTest, AFolderAddsItsTasksAndReplacesBuiltInOnes) {
  write("one.toml", task_text("one"));
  write("pizza.toml", task_text("pizza", "Mine."));
  write("notes.txt", "not a task");
  const auto set = load({folder_.path()});
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->find("pizza")->prompt, "Mine.");
  EXPECT_THAT(set->origin("pizza"), HasSubstr("pizza.toml"));
  EXPECT_EQ(set->origin("trading-card"), "built in");
  EXPECT_NE(set->find("one"), nullptr);
}

TEST_F(TaskSetTest, ASingleFileIsReadToo) {
  const auto set = load({write("some-name.toml", task_text("one"))});
  ASSERT_TRUE(set.has_value());
  EXPECT_NE(set->find("one"), nullptr);
}

TEST_F(TaskSetTest, MistakesOfAllFilesComeTogether) {
  write("a.toml", "name = 1");
  write("b.toml", "name = ");
  write("c.toml", task_text("c"));
  const auto set = load({folder_.path()});
  ASSERT_FALSE(set.has_value());
  EXPECT_EQ(set.error().code, ErrorCode::kUsage);
  EXPECT_THAT(set.error().message, AllOf(HasSubstr("a.toml:1:8: name: expected a text, found 1"),
                                         HasSubstr("b.toml:1:"), Not(HasSubstr("c.toml"))));
}

TEST_F(TaskSetTest, OneNameTwiceInAFolderIsAMistake) {
  write("a.toml", task_text("same"));
  write("b.toml", task_text("same"));
  const auto set = load({folder_.path()});
  ASSERT_FALSE(set.has_value());
  EXPECT_THAT(set.error().message, AllOf(HasSubstr("b.toml"), HasSubstr("stands in"), HasSubstr("a.toml")));
}

TEST_F(TaskSetTest, APathThatLeadsNowhereIsNotFound) {
  const auto set = load({folder_.path() / "none"});
  ASSERT_FALSE(set.has_value());
  EXPECT_EQ(set.error().code, ErrorCode::kNotFound);
}

TEST_F(TaskSetTest, AHugeFileIsRefusedWithoutBeingRead) {
  const auto path = folder_.path() / "huge.toml";
  std::ofstream(path) << "x";
  std::filesystem::resize_file(path, std::uintmax_t{1} << 30);  // a sparse gigabyte
  const auto set = load({folder_.path()});
  ASSERT_FALSE(set.has_value());
  EXPECT_EQ(set.error().code, ErrorCode::kUsage);
  EXPECT_THAT(set.error().message, HasSubstr("huge.toml"));
}

TEST_F(TaskSetTest, AnUnknownTaskIsToldWithThoseThereAre) {
  const auto task = builtin_tasks()->require("card", ErrorCode::kUsage);
  ASSERT_FALSE(task.has_value());
  EXPECT_EQ(task.error().code, ErrorCode::kUsage);
  EXPECT_THAT(task.error().message, HasSubstr("pizza, trading-card"));
}

}  // namespace
}  // namespace fovea::tasks
