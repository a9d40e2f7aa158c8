#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/program.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

class QuantizeTest : public testing::Test {
 protected:
  [[nodiscard]] Finished quantize(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"quantize", tiny_model().string(), destination_});
    return run(more);
  }
  /// A data folder with two pictures.
  [[nodiscard]] std::string data() const {
    std::filesystem::create_directories(folder_.path() / "data");
    std::filesystem::copy(tiny_picture(), folder_.path() / "data/a.png");
    const char* manifest = "{\"image\": \"a.png\", \"truth\": {}}\n{\"image\": \"a.png\", \"truth\": {}}\n";
    EXPECT_TRUE(write_file(folder_.path() / "data/manifest.jsonl", manifest).has_value());
    return (folder_.path() / "data").string();
  }

  test::TemporaryFolder folder_;
  std::string destination_ = (folder_.path() / "quantised").string();
};

TEST_F(QuantizeTest, WhatItWritesAnswersLikeTheTypeAtLoad) {
  const auto done = quantize({"--weights", "int8"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("matrices"));
  const auto answer = [&](const std::vector<std::string>& model) {
    std::vector<std::string> arguments{"generate", "--image", tiny_picture().string(),
                                       "--prompt", "Read.",   "--max-new-tokens",
                                       "8",        "--json",  "--model"};
    arguments.insert(arguments.end(), model.begin(), model.end());
    return Json::parse(run(arguments).out)["token_ids"];
  };
  // The folder's token embeddings are int8 too, those of a model quantised at load are as stored: a tiny
  // random network drifts apart over a few tokens, but begins alike.
  const Json written = answer({destination_});
  ASSERT_EQ(written.size(), 8U);
  EXPECT_EQ(written[0], answer({tiny_model().string(), "--dtype", "int8"})[0]);
}

TEST_F(QuantizeTest, CalibratesWithPicturesOfAFolder) {
  const auto done = quantize({"--weights", "int4", "--calibrate", data(), "--limit", "1"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(std::filesystem::exists(destination_ + "/model.safetensors"));
}

TEST_F(QuantizeTest, WrongCallsEndWith2AndMakeNothing) {
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--weights", "int3"},
                                                {"--vision-weights", "f32"},
                                                {"--limit", "0"},
                                                {"--calibrate", data(), "--task", "palmistry"}}) {
    const auto done = quantize(wrong);
    EXPECT_EQ(done.exit_code, 2) << wrong.front();
    EXPECT_NE(done.err, "");
    EXPECT_FALSE(std::filesystem::exists(destination_));
  }
  EXPECT_EQ(run({"quantize", tiny_model().string()}).exit_code, 2) << "no destination";
}

TEST_F(QuantizeTest, AFolderThatExistsAndAMissingModelAreNamed) {
  std::filesystem::create_directories(destination_);
  const auto done = quantize();
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.err, HasSubstr(destination_ + ": exists"));
  const auto missing = run({"quantize", "/nonexistent", (folder_.path() / "new").string()});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace fovea::cli
