#include "support/micro_cnn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

/// quantize, prune and export-edge on the reference networks.
class MicroCnnTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  static std::string golden(const std::string& name) { return test::micro_cnn_folder(name).string(); }

  /// A data folder with the pictures of the preparation's reference.
  [[nodiscard]] std::string data() const {
    const std::filesystem::path folder = folder_.path() / "data";
    std::filesystem::create_directories(folder);
    std::string manifest;
    for (const char* name : {"47x53.png", "48x48.png", "97x200.png", "640x480.png"}) {
      std::filesystem::copy(test::micro_cnn_folder("preprocess") / name, folder / name,
                            std::filesystem::copy_options::overwrite_existing);
      manifest += "{\"image\": \"" + std::string(name) + "\", \"truth\": {}}\n";
    }
    EXPECT_TRUE(write_file(folder / "manifest.jsonl", manifest).has_value());
    return folder.string();
  }

  test::TemporaryFolder folder_;
};

TEST_F(MicroCnnTest, QuantisesPrunesAndExports) {
  const auto pruned = run({"prune", golden("v1"), path("pruned"), "--ratio", "0.25", "--calibrate", data()});
  EXPECT_EQ(pruned.exit_code, 0) << pruned.err;
  EXPECT_THAT(pruned.out, HasSubstr("block1.0 channels"));
  EXPECT_THAT(pruned.out, HasSubstr("multiply-accumulates"));

  const auto quantised = run(
      {"quantize", path("pruned"), path("int4"), "--weights", "int4", "--calibrate", data(), "--limit", "3"});
  EXPECT_EQ(quantised.exit_code, 0) << quantised.err;
  EXPECT_THAT(quantised.out, HasSubstr("kB of weights"));
  EXPECT_EQ(
      read_json_file(path("int4") + "/config.json").value()["quantization_config"]["calibration_pictures"],
      3);

  const auto exported = run({"export-edge", path("int4"), path("c"), "--prefix", "pizza", "--json"});
  EXPECT_EQ(exported.exit_code, 0) << exported.err;
  const auto report = nlohmann::json::parse(exported.out);
  EXPECT_EQ(report["weights"], "int4");
  EXPECT_TRUE(report["fits"]);
  EXPECT_EQ(report, read_json_file(path("c") + "/report.json").value());
  for (const char* file : {"pizza.h", "pizza.c", "pizza_model.h", "pizza_model.c", "report.md"}) {
    EXPECT_TRUE(std::filesystem::exists(path("c") + "/" + file)) << file;
  }
  EXPECT_THAT(read_file(path("c") + "/pizza.c").value(), Not(HasSubstr("float")));
}

TEST_F(MicroCnnTest, AnExportOverItsBudgetEndsWith1AndSaysByHowMuch) {
  const auto done =
      run({"export-edge", golden("se4"), path("c"), "--ram-budget", "10", "--flash-budget", "8"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("flash: takes"));
  EXPECT_THAT(done.err, HasSubstr("over the budget of 8192"));
  EXPECT_THAT(done.err, HasSubstr("RAM: takes"));
  EXPECT_FALSE(std::filesystem::exists(path("c")));
}

TEST_F(MicroCnnTest, WrongCallsEndWith2AndMakeNothing) {
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"quantize", golden("v1"), path("new")},
        {"quantize", golden("v1"), path("new"), "--weights", "int3"},
        {"prune", golden("v1"), path("new")},
        {"prune", golden("v1"), path("new"), "--ratio", "1.5"},
        {"prune", golden("v1"), path("new"), "--ratio", "0"},
        {"prune", tiny_model().string(), path("new"), "--ratio", "1"},
        {"export-edge", golden("v1")},
        {"export-edge", golden("v1"), path("new"), "--prefix", "9lives"},
        {"export-edge", golden("v1"), path("new"), "--prefix", "Pizza"},
        {"export-edge", golden("v1"), path("new"), "--ram-budget", "0"}}) {
    const auto done = run(wrong);
    EXPECT_EQ(done.exit_code, 2) << wrong.front() << " " << wrong.back() << done.err;
    EXPECT_NE(done.err, "");
    EXPECT_FALSE(std::filesystem::exists(path("new")));
  }
}

TEST_F(MicroCnnTest, AReaderIsNoModelForADevice) {
  const auto done = run({"export-edge", tiny_model().string(), path("c")});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("expected \"micro_cnn\""));
  EXPECT_FALSE(std::filesystem::exists(path("c")));
}

TEST_F(MicroCnnTest, ADamagedPictureIsNamed) {
  const std::string folder = data();
  ASSERT_TRUE(write_file(folder + "/48x48.png", "no picture").has_value());
  const auto done = run({"quantize", golden("v1"), path("new"), "--calibrate", folder});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("48x48.png"));
  EXPECT_FALSE(std::filesystem::exists(path("new")));
}

}  // namespace
}  // namespace fovea::cli
