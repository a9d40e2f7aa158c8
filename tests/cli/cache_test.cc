#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "program.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

class CacheCommand : public ::testing::Test {
 protected:
  [[nodiscard]] Environment state() const { return {{"XDG_STATE_HOME", folder_.path().string()}}; }
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "fovea" / "answers.db"; }

 private:
  test::TemporaryFolder folder_;
};

TEST_F(CacheCommand, StatsCountsTheDefaultDatabaseWithoutMakingOne) {
  const Finished finished = run({"cache", "stats", "--json"}, {.environment = state()});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  const auto json = nlohmann::json::parse(finished.out);
  EXPECT_EQ(json["database"]["state"], "up");
  EXPECT_EQ(json["database"]["entries"], 0);
  EXPECT_EQ(json["database"]["place"], "SQLite, " + file().string());
  EXPECT_FALSE(json.contains("redis"));
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(CacheCommand, StatsSaysWhichTierIsDownAndFails) {
  const Finished finished =
      run({"cache", "stats", "--json", "--redis", "redis://:s3cret@127.0.0.1:1"}, {.environment = state()});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_EQ(nlohmann::json::parse(finished.out)["redis"]["state"], "down");
  EXPECT_NE(finished.err.find("Redis at 127.0.0.1:1"), std::string::npos) << finished.err;
  EXPECT_EQ((finished.out + finished.err).find("s3cret"), std::string::npos);
}

TEST_F(CacheCommand, ClearWantsYesWhereItCannotAsk) {
  const Finished refused = run({"cache", "clear"}, {.environment = state()});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("--yes"), std::string::npos) << refused.err;
  const Finished done = run({"cache", "clear", "--yes", "--json"}, {.environment = state()});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(nlohmann::json::parse(done.out)["database"]["deleted"], 0);
}

TEST_F(CacheCommand, TakesItsOptionsFromTheEnvironment) {
  Environment environment = state();
  environment["FOVEA_DATABASE"] = "none";
  const Finished none = run({"cache", "stats"}, {.environment = environment});
  EXPECT_EQ(none.exit_code, 2);
  environment["FOVEA_REDIS"] = "ftp://x";
  const Finished wrong = run({"cache", "stats"}, {.environment = environment});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE(wrong.err.find("redis://"), std::string::npos) << wrong.err;
}

TEST_F(CacheCommand, WantsToKnowWhatToDo) {
  EXPECT_EQ(run({"cache"}).exit_code, 2);
  EXPECT_EQ(run({"cache", "empty"}).exit_code, 2);
  EXPECT_EQ(run({"cache", "--help"}).exit_code, 0);
}

}  // namespace
}  // namespace fovea::cli
