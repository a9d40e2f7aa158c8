#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/program.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

class CompareTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::copy(tiny_picture(), folder_.path() / "a.png");
    manifest("{\"image\": \"a.png\", \"truth\": {}}\n{\"image\": \"a.png\", \"truth\": {}}\n");
  }
  void manifest(const std::string& text) {
    ASSERT_TRUE(write_file(folder_.path() / "manifest.jsonl", text).has_value());
  }
  [[nodiscard]] Finished compare(std::vector<std::string> more) const {
    more.insert(more.begin(),
                {"compare", "--reference", tiny_model().string(), "--model", tiny_model().string(), "--data",
                 folder_.path().string(), "--max-new-tokens", "8"});
    return run(more);
  }

  test::TemporaryFolder folder_;
};

TEST_F(CompareTest, PrintsOneObjectOfBothModelsAndWhatTheyAgreeOn) {
  const auto done = compare({"--dtype", "int8", "--limit", "1", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json json = Json::parse(done.out);
  EXPECT_EQ(json["reference_dtype"], "f32");
  EXPECT_EQ(json["dtype"], "int8");
  EXPECT_EQ(json["pictures"], 1);
  EXPECT_EQ(json["positions"], 8);
  EXPECT_GT(json["kl_divergence"], 0.0);
  EXPECT_GT(json["image_features_cosine"]["least"], 0.99);
  EXPECT_GT(json["logits_cosine"]["mean"], 0.9);  // a tiny random network makes much of small differences
  EXPECT_EQ(json["same_top_interval95"].size(), 2U);
}

TEST_F(CompareTest, KeysAndValuesInInt8AreComparedWithThoseInBf16) {
  const auto done = compare({"--dtype", "int8", "--kv-cache", "int8", "--reference-dtype", "int8", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json json = Json::parse(done.out);
  EXPECT_EQ(json["reference_kv_cache"], "bf16");
  EXPECT_EQ(json["kv_cache"], "int8");
  EXPECT_EQ(json["image_features_cosine"]["least"], 1.0) << "the tower keeps nothing";
  EXPECT_GT(json["kl_divergence"], 0.0);
  EXPECT_GT(json["logits_cosine"]["least"], 0.99);
}

TEST_F(CompareTest, PrintsATableForPeople) {
  const auto done = compare({"--reference-dtype", "f32"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out,
              AllOf(HasSubstr("in f32: 2 pictures"), HasSubstr("same most likely token     100.00 %"),
                    HasSubstr("cosine, image features"), HasSubstr("0.00000 nats a token")));
}

TEST_F(CompareTest, APictureThatCannotBeReadIsNamedAndMakesTheExitStatusOne) {
  manifest("{\"image\": \"a.png\", \"truth\": {}}\n{\"image\": \"b.png\", \"truth\": {}}\n");
  const auto done = compare({"--json"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("b.png"));
  EXPECT_EQ(Json::parse(done.out)["failed"], 1);
}

TEST_F(CompareTest, WrongCallsEndWith2) {
  EXPECT_EQ(compare({"--task", "palmistry"}).exit_code, 2);
  EXPECT_EQ(compare({"--limit", "0"}).exit_code, 2);
  EXPECT_EQ(compare({"--reference-dtype", "f64"}).exit_code, 2);
  EXPECT_EQ(run({"compare", "--model", tiny_model().string(), "--data", "x"}).exit_code, 2) << "no reference";
}

}  // namespace
}  // namespace fovea::cli
