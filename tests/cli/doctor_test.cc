#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/program.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::HasSubstr;

TEST(DoctorTest, QuickPrintsLinesWithoutMeasuring) {
  const auto done = run({"doctor", "--quick"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  for (const char* text :
       {"processor", "kernels", "locked memory", "huge pages", "open files", "model", "database"}) {
    EXPECT_THAT(done.out, HasSubstr(text));
  }
  EXPECT_THAT(done.out, testing::Not(HasSubstr("GB/s")));
}

TEST(DoctorTest, JsonHoldsTheMeasuredMachine) {
  const auto done = run({"doctor", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const auto json = nlohmann::json::parse(done.out);
  EXPECT_GT(json["machine"]["read_gbps"].get<double>(), 0);
  EXPECT_EQ(json["isa"], json["sets"].back());
}

TEST(DoctorTest, AForcedSetIsNamedAndAnUnknownOneIsAWarning) {
  EXPECT_THAT(run({"doctor", "--quick"}, {.environment = {{"FOVEA_ISA", "portable"}}}).out,
              HasSubstr("portable (FOVEA_ISA)"));
  const auto unknown = run({"doctor", "--quick"}, {.environment = {{"FOVEA_ISA", "mmx"}}});
  EXPECT_EQ(unknown.exit_code, 0);
  EXPECT_THAT(unknown.out, HasSubstr("unknown instruction set"));
}

TEST(DoctorTest, SaysWhetherTheServicesOfAConfigurationAnswer) {
  const test::TemporaryFolder folder;
  const auto configuration = folder.path() / "fovea.toml";
  std::ofstream(configuration) << "[cache]\nredis_url = \"redis://:s3cret@127.0.0.1:1\"\ndatabase_path = \""
                               << (folder.path() / "answers.db").string() << "\"\n";
  const auto done = run({"doctor", "--quick", "--json", "--config", configuration.string()});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out, testing::Not(HasSubstr("s3cret")));
  std::map<std::string, nlohmann::json> findings;
  for (const auto& finding : nlohmann::json::parse(done.out)["findings"]) findings[finding["name"]] = finding;
  EXPECT_FALSE(findings["redis"]["good"].get<bool>());
  EXPECT_THAT(findings["redis"]["value"].get<std::string>(), HasSubstr("not reached: Redis at 127.0.0.1:1"));
  EXPECT_TRUE(findings["database"]["good"].get<bool>());
  EXPECT_THAT(findings["database"]["value"].get<std::string>(), HasSubstr("reached: SQLite"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "answers.db"));
}

TEST(DoctorTest, ServicesMayBeNamedOneByOneOrNotBeThere) {
  EXPECT_THAT(run({"doctor", "--quick", "--database", "none"}).out, HasSubstr("none: answers are not kept"));
  const auto wrong = run({"doctor", "--quick", "--redis", "ftp://x"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("redis://"));
  const auto missing = run({"doctor", "--quick", "--config", "/no/such/file.toml"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr("/no/such/file.toml"));
}

}  // namespace
}  // namespace fovea::cli
