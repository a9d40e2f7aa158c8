#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace fovea::cli {
namespace {

using testing::HasSubstr;

TEST(DoctorTest, QuickPrintsLinesWithoutMeasuring) {
  const auto done = run({"doctor", "--quick"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  for (const char* text :
       {"processor", "kernels", "locked memory", "huge pages", "open files", "model", "services"}) {
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

}  // namespace
}  // namespace fovea::cli
