#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "cli/program.h"

// Where standard output cannot take what is printed.

namespace fovea::cli {
namespace {

using testing::HasSubstr;

std::vector<std::string> tokenize() {
  return {"tokenize", "--model", tiny_model().string(), "--json"};
}

TEST(OutputTest, AFullDiskIsAnErrorAndNotAnAnswerThatNobodyGot) {
  for (const std::size_t size : {1U, 100'000U}) {  // in the buffer to the end, and over it before
    const auto done =
        run(tokenize(), {.input = std::string(size, 'x'), .environment = {}, .output = "/dev/full"});
    EXPECT_EQ(done.exit_code, 1) << size;
    EXPECT_THAT(done.err, HasSubstr("No space left on device")) << size;
  }
}

TEST(OutputTest, AReaderThatWentAwayEndsTheProgramQuietly) {
  for (const std::size_t size : {1U, 1'000'000U}) {
    const auto done =
        run(tokenize(),
            {.input = std::string(size, 'x'), .environment = {}, .output = "", .closed_output = true});
    EXPECT_EQ(done.err, "") << size;
    EXPECT_TRUE(done.signal == SIGPIPE || done.exit_code == 0) << done.exit_code;
  }
}

TEST(OutputTest, HelpOnAFullDiskIsAnErrorToo) {
  const auto done = run({"--help"}, {.input = "", .environment = {}, .output = "/dev/full"});
  EXPECT_EQ(done.exit_code, 1);
}

}  // namespace
}  // namespace fovea::cli
