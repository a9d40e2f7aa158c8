#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <sstream>

#include "cli/program.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kCommands{"recognize", "serve",    "evaluate", "compare",  "bench",
                                         "doctor",    "generate", "tokenize", "quantize", "synth-checkpoint",
                                         "tasks",     "catalog",  "reviews"};

void expect_usage_error(const std::vector<std::string>& arguments, const std::string& reason,
                        const Environment& environment = {}) {
  const auto done = run(arguments, {.input = "", .environment = environment});
  EXPECT_EQ(done.exit_code, 2) << done.err;
  EXPECT_THAT(done.err, HasSubstr(reason));
  EXPECT_EQ(done.out, "");
}

TEST(UsageTest, HelpNamesEveryCommandAndEndsWell) {
  for (const char* flag : {"--help", "-h"}) {
    const auto done = run({flag});
    EXPECT_EQ(done.exit_code, 0);
    EXPECT_EQ(done.err, "");
    for (const std::string& command : kCommands) EXPECT_THAT(done.out, HasSubstr(command));
  }
}

TEST(UsageTest, EveryCommandExplainsItself) {
  for (const std::string& command : kCommands) {
    const auto done = run({command, "--help"});
    EXPECT_EQ(done.exit_code, 0) << command;
    EXPECT_THAT(done.out, HasSubstr("Usage: fovea " + command));
  }
}

TEST(UsageTest, EveryOptionNamesItsEnvironmentVariable) {
  for (const char* command : {"recognize", "serve", "evaluate", "compare", "bench", "doctor", "generate",
                              "tokenize", "quantize", "synth-checkpoint"}) {
    std::istringstream help(run({command, "--help"}).out);
    std::size_t options = 0;
    for (std::string line; std::getline(help, line);) {
      const std::size_t at = line.find("--");
      if (at == std::string::npos || line.find_first_not_of(' ') != at) continue;
      ++options;
      std::string variable = "FOVEA_" + line.substr(at + 2, line.find_first_of(" ,", at) - at - 2);
      for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
      EXPECT_THAT(line, HasSubstr(variable)) << command;
    }
    EXPECT_GT(options, 0U) << command;
  }
}

TEST(UsageTest, TheVersionIsANumberOnStandardOutput) {
  const auto done = run({"--version"});
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_THAT(done.out, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(UsageTest, AWrongCommandLineEndsWith2AndTheReason) {
  const std::string model = tiny_model().string();
  expect_usage_error({}, "subcommand is required");
  expect_usage_error({"paint"}, "no command \"paint\"; there is: recognize, serve");
  expect_usage_error({"generate", "--model", model, "--prompt", "x", "--sing"}, "fovea generate: ");
  expect_usage_error({"generate", "--model", model}, "--prompt");
  expect_usage_error({"generate", "--prompt", "x"}, "--model");
  expect_usage_error({"generate", "--model", model, "--prompt", "x", "--dtype", "f64"}, "--dtype");
  expect_usage_error({"generate", "--model", model, "--prompt", "x", "--kv-cache", "int4"}, "--kv-cache");
  expect_usage_error({"generate", "--model", model, "--prompt", "x", "--max-new-tokens", "0"},
                     "--max-new-tokens");
  expect_usage_error({"generate", "--model", model, "--prompt", "x", "--max-new-tokens", "many"},
                     "--max-new-tokens");
  for (const char* threads : {"0", "-1", "two", "1.5", "100000"}) {
    expect_usage_error({"generate", "--model", model, "--prompt", "x", "--threads", threads}, "--threads");
  }
  expect_usage_error({"tokenize"}, "--model");
  expect_usage_error({"recognize"}, "inputs");
  expect_usage_error({"evaluate"}, "--data");
  expect_usage_error({"serve", "--port", "70000"}, "--port");
  expect_usage_error({"serve", "--port", "-1"}, "--port");
}

TEST(UsageTest, EnvironmentVariablesAreCheckedLikeOptions) {
  const std::vector<std::string> generate{"generate", "--model", tiny_model().string(), "--prompt", "x"};
  expect_usage_error(generate, "FOVEA_ISA=bogus", {{"FOVEA_ISA", "bogus"}});
  expect_usage_error(generate, "threads", {{"FOVEA_THREADS", "many"}});
  expect_usage_error(generate, "dtype", {{"FOVEA_DTYPE", "f64"}});
  expect_usage_error(generate, "kv-cache", {{"FOVEA_KV_CACHE", "f64"}});
}

TEST(UsageTest, AnUnknownTaskNamesTheKnownOnes) {
  for (const char* command : {"recognize", "evaluate"}) {
    std::vector<std::string> arguments{command, "--task", "palmistry", "--model", tiny_model().string()};
    if (std::string(command) == "recognize") arguments.push_back(tiny_picture().string());
    if (std::string(command) == "evaluate") arguments.insert(arguments.end(), {"--data", "/nonexistent"});
    expect_usage_error(arguments, "trading-card");
  }
}

TEST(UsageTest, SynthCheckpointRefusesUnknownPresetsAndFoldersInUse) {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "new").string();
  expect_usage_error({"synth-checkpoint", "--preset", "smolvlm-7b", path}, "smolvlm-500m");
  expect_usage_error({"synth-checkpoint", path}, "--preset");
  expect_usage_error({"synth-checkpoint", "--preset", "smolvlm-256m", "--seed", "-1", path}, "--seed");
  EXPECT_FALSE(std::filesystem::exists(path));
  std::filesystem::create_directories(folder.path() / "used/inside");
  expect_usage_error({"synth-checkpoint", "--preset", "smolvlm-256m", (folder.path() / "used").string()},
                     "empty directory");
}

}  // namespace
}  // namespace fovea::cli
