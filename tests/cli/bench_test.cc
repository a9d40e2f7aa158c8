#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/program.h"
#include "kernels/kernels.h"
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
  for (const char* member : {"requests_per_s", "p50_ms", "p95_ms", "together_ms", "alone_ms"}) {
    EXPECT_GT(json["concurrency"][member].get<double>(), 0) << member;
  }
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

TEST(BenchTest, EveryStagesShareIsThatOfThePeakOfTheInstructionSetInUse) {
  // Time, peak and share multiplied are the work of the stage, the same with every set: of float products
  // here, and for decoding of bytes read.
  struct Work {
    double tile, prefill, decode;
  };
  std::optional<Work> first;
  for (const kernels::Kernels* kernels : kernels::supported_kernels()) {
    const auto done = run({"bench", "--model", tiny_model().string(), "--threads", "1", "--quick", "--json"},
                          {.input = "", .environment = {{"FOVEA_ISA", std::string(kernels->isa)}}});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const auto json = nlohmann::json::parse(done.out);
    EXPECT_EQ(json["isa"], kernels->isa);
    for (const char* stage : {"tiles", "prefill", "decode"}) {
      for (const auto& row : json[stage]) EXPECT_GT(row["percent_of_peak"].get<double>(), 0) << row;
    }
    for (const char* share :
         {"percent_of_peak", "vision_percent_of_peak", "prefill_percent_of_peak", "decode_percent_of_peak"}) {
      EXPECT_GT(json["end_to_end"][share].get<double>(), 0) << share;
    }
    const auto work = [](const nlohmann::json& row, double ms, const nlohmann::json& peak) {
      return row["percent_of_peak"].get<double>() * ms * peak.get<double>();
    };
    const auto& tile = json["tiles"][0];
    const auto& prefill = json["prefill"][2];
    const auto& decode = json["decode"][1];
    const auto& machine = json["machine"];
    const Work here{.tile = work(tile, tile["ms_per_tile"], machine["f32_gflops"]),
                    .prefill = work(prefill, prefill["ms"], machine["f32_gflops"]),
                    .decode = work(decode, 1 / decode["tokens_per_s"].get<double>(), machine["read_gbps"])};
    if (!first) first = here;
    EXPECT_NEAR(here.tile / first->tile, 1, 1e-9) << kernels->isa;
    EXPECT_NEAR(here.prefill / first->prefill, 1, 1e-9) << kernels->isa;
    EXPECT_NEAR(here.decode / first->decode, 1, 1e-9) << kernels->isa;
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
