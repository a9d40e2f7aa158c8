#include "registry/locate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace fovea::registry {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

/// Sets an environment variable for a scope; the tests here run on one thread.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~ScopedVariable() { set(old_); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  void set(const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name_, value->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

class LocateTest : public testing::Test {
 protected:
  fs::path make_model(const fs::path& directory) {
    fs::create_directories(directory);
    write(directory / "config.json", "{}");
    write(directory / "model.safetensors", "weights");
    write(directory / "README.md", "a card");
    return directory;
  }
  static void write(const fs::path& path, const std::string& text) {
    ASSERT_TRUE(write_file(path, text).has_value());
  }
  static std::string version(const fs::path& directory) {
    const auto version = model_version(directory);
    EXPECT_TRUE(version.has_value()) << version.error().message;
    return version.value_or("");
  }

  test::TemporaryFolder folder_;
  ScopedVariable data_home_{"XDG_DATA_HOME", (folder_.path() / "data").string()};
};

TEST_F(LocateTest, ADirectoryWithAConfigIsItself) {
  const auto directory = make_model(folder_.path() / "here");
  EXPECT_EQ(locate_model(directory.string()).value(), directory);
  EXPECT_EQ(locate_model(directory.string() + "/").value(), directory / "");
}

TEST_F(LocateTest, ANameIsLookedUpInTheUsersRegistry) {
  const auto directory = make_model(folder_.path() / "data/fovea/models/mine");
  EXPECT_EQ(locate_model("mine").value(), directory);
}

TEST_F(LocateTest, TheRegistryIsInTheHomeFolderByDefault) {
  const ScopedVariable no_data_home("XDG_DATA_HOME", std::nullopt);
  const ScopedVariable home("HOME", (folder_.path() / "home").string());
  const auto directory = make_model(folder_.path() / "home/.local/share/fovea/models/mine");
  EXPECT_EQ(locate_model("mine").value(), directory);
  EXPECT_EQ(model_folders().front(), folder_.path() / "home/.local/share/fovea/models");
}

TEST_F(LocateTest, TheUsersRegistryComesBeforeTheTreesModels) {
  const auto folders = model_folders();
  ASSERT_FALSE(folders.empty());
  EXPECT_EQ(folders.front(), folder_.path() / "data/fovea/models");
}

TEST_F(LocateTest, AnUnknownNameSaysWhereWasLooked) {
  const auto found = locate_model("no-such-model");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message,
              AllOf(HasSubstr("no-such-model"), HasSubstr((folder_.path() / "data/fovea/models").string())));
}

TEST_F(LocateTest, ADirectoryThatIsNoCheckpointSaysWhatIsExpected) {
  const auto found = locate_model(folder_.path().string());
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message, AllOf(HasSubstr(folder_.path().string()), HasSubstr("config.json")));
}

TEST_F(LocateTest, ANameIsNoPathOutOfTheRegistry) {
  make_model(folder_.path() / "data/fovea/outside");
  EXPECT_FALSE(locate_model("../outside").has_value());
  EXPECT_FALSE(locate_model("").has_value());
  EXPECT_FALSE(locate_model("..").has_value());
}

TEST_F(LocateTest, TheNameOfAModelIsItsFolders) {
  EXPECT_EQ(model_name("/a/b/smolvlm-500m"), "smolvlm-500m");
  EXPECT_EQ(model_name("/a/b/smolvlm-500m/"), "smolvlm-500m");
  EXPECT_EQ(model_name("/a/b/../c/./model"), "model");
}

TEST_F(LocateTest, AVersionChangesWithWhatDecidesAnswersAndNothingElse) {
  const auto directory = make_model(folder_.path() / "model");
  const std::string first = version(directory);
  EXPECT_THAT(first, testing::MatchesRegex("[0-9a-f]{12}"));
  EXPECT_EQ(version(directory), first);

  write(directory / "README.md", "another card");
  write(directory / "notes.txt", "text");
  fs::create_directory(directory / "images");
  EXPECT_EQ(version(directory), first);

  write(directory / "model.safetensors", "weighty");
  const std::string other_weights = version(directory);
  EXPECT_NE(other_weights, first);
  write(directory / "model.safetensors", "weights");
  EXPECT_EQ(version(directory), first);

  write(directory / "config.json", "{ }");
  EXPECT_NE(version(directory), first);
  write(directory / "config.json", "{}");
  write(directory / "tokenizer.json", "{}");
  EXPECT_NE(version(directory), first);
}

TEST_F(LocateTest, AVersionDependsOnWhichFileHoldsWhat) {
  const auto one = make_model(folder_.path() / "one");
  const auto two = make_model(folder_.path() / "two");
  EXPECT_EQ(version(one), version(two)) << "the folder's name is no part of it";
  write(one / "generation_config.json", "x");
  write(two / "processor_config.json", "x");
  EXPECT_NE(version(one), version(two));
}

TEST_F(LocateTest, LinksAreFollowedAndOneThatLeadsNowhereIsNoPart) {
  const auto directory = make_model(folder_.path() / "model");
  const std::string first = version(directory);
  fs::rename(directory / "model.safetensors", folder_.path() / "blob");
  fs::create_symlink(folder_.path() / "blob", directory / "model.safetensors");
  EXPECT_EQ(version(directory), first);
  for (const char* name : {"README.old", "a-link", "zz"}) fs::create_symlink("nowhere", directory / name);
  EXPECT_EQ(version(directory), first);
}

TEST_F(LocateTest, AVersionDependsOnlyOnWhatLoadingReads) {
  const auto directory = make_model(folder_.path() / "model");
  const std::string first = version(directory);
  write(directory / "training.json", "x");
  write(directory / "unused.safetensors", "x");
  EXPECT_EQ(version(directory), first);
}

TEST_F(LocateTest, AFolderOfTheSameNameThatHoldsNoModelDoesNotHideTheModel) {
  const auto registry = folder_.path() / "data" / "fovea";
  make_model(registry / "named-model");
  fs::create_directories(folder_.path() / "here" / "named-model");
  const auto before = fs::current_path();
  fs::current_path(folder_.path() / "here");
  const auto found = locate_model("named-model");
  fs::current_path(before);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(*found, registry / "named-model");
}

TEST_F(LocateTest, AVersionOfNothingIsAnError) {
  const auto none = model_version(folder_.path() / "none");
  ASSERT_FALSE(none.has_value());
  EXPECT_THAT(none.error().message, HasSubstr("none"));
}

}  // namespace
}  // namespace fovea::registry
