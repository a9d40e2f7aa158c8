#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/program.h"
#include "support/temporary_folder.h"

namespace fovea::cli {
namespace {

using testing::HasSubstr;

TEST(BenchTest, JsonHasTheMembersOfTheContract) {
  const auto done = run({"bench", "--model", tiny_model().string(), "--threads", "1", "--quick", "--json",
                         "--concurrency", "2"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  const auto json = nlohmann::json::parse(done.out);
  for (const char* member : {"int8_gops", "bf16_gflops", "f32_gflops", "read_gbps"}) {
    EXPECT_GT(json["machine"][member].get<double>(), 0) << member;
  }
  EXPECT_TRUE(json["machine"]["steady"].is_boolean());
  EXPECT_TRUE(json["isa"].is_string());
  for (const char* member : {"tile_ms", "prefill_872_ms", "decode_tok_s", "end_to_end_ms"}) {
    EXPECT_GT(json[member].get<double>(), 0) << member;
  }
  EXPECT_TRUE(json.contains("peak_rss_mb"));
  EXPECT_EQ(json["model"]["synthetic"], false);
  EXPECT_EQ(json["kv_cache"]["type"], "f32");
  EXPECT_GT(json["kv_cache"]["bytes_per_position"].get<int>(), 0);
  EXPECT_EQ(json["threads"], 1);
  EXPECT_EQ(json["concurrency"]["requests"], 2);
}

TEST(BenchTest, TheTableNamesTheModelTheKernelsAndEveryStage) {
  const auto done = run({"bench", "--model", tiny_model().string(), "--quick"},
                        {.input = "", .environment = {{"FOVEA_ISA", "portable"}}});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  for (const char* text : {tiny_model().filename().c_str(), "kernels portable", "reading memory", "GB/s",
                           "Vision", "Prefill", "Decode", "end to end"}) {
    EXPECT_THAT(done.out, HasSubstr(text));
  }
}

TEST(BenchTest, AWrongCallEndsWith2) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"bench", "--synthetic", "smolvlm-9000b"},
                                             {"bench", "--synthetic", "smolvlm-256m", "--model", "x"},
                                             {"bench", "--keep"},
                                             {"bench", "--concurrency", "0"}}) {
    const test::TemporaryFolder cache;
    const auto done =
        run(arguments, {.input = "", .environment = {{"XDG_CACHE_HOME", cache.path().string()}}});
    EXPECT_EQ(done.exit_code, 2) << done.err;
    EXPECT_EQ(done.out, "");
    EXPECT_TRUE(std::filesystem::is_empty(cache.path()));
  }
}

}  // namespace
}  // namespace fovea::cli
