#include "bench/bench.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bench/memory.h"
#include "bench/picture.h"
#include "bench/report.h"
#include "image/decode.h"
#include "support/golden.h"

namespace fovea::bench {
namespace {

BenchOptions tiny_options() {
  BenchOptions options;
  options.directory = test::golden_folder("smolvlm-tiny-f32");
  options.model = "tiny";
  options.generator.threads = 2;
  options.quick = true;
  return options;
}

TEST(BenchTest, EveryStageIsMeasuredAtItsSizes) {
  std::vector<std::string> stages;
  BenchOptions options = tiny_options();
  options.concurrency = 3;
  const auto report = run(options, [&](std::string_view stage, std::size_t number, std::size_t all) {
    stages.emplace_back(stage);
    EXPECT_EQ(number, stages.size());
    EXPECT_EQ(all, 8U);
  });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(stages, (std::vector<std::string>{"machine", "end to end", "picture", "tiles", "prefill",
                                              "decode", "in parallel", "machine again"}));
  const auto sizes = [](const std::vector<Measurement>& rows) {
    std::vector<std::size_t> list;
    for (const auto& row : rows) {
      list.push_back(row.size);
      EXPECT_GT(row.value, 0);
      EXPECT_GT(row.peak_fraction, 0);
    }
    return list;
  };
  EXPECT_EQ(sizes(report->tiles), (std::vector<std::size_t>{1, 4, 13}));
  EXPECT_EQ(sizes(report->prefill), (std::vector<std::size_t>{128, 512, 872}));
  EXPECT_EQ(sizes(report->decode), (std::vector<std::size_t>{64, 900}));
  EXPECT_GT(report->picture.decode_ms, 0);
  EXPECT_GT(report->picture.tile_ms, 0);
  EXPECT_EQ(report->dtype, "f32");
  EXPECT_EQ(report->threads, 2U);
  EXPECT_EQ(report->end_to_end.new_tokens, 64U);
  for (const double fraction :
       {report->end_to_end.vision_peak_fraction, report->end_to_end.prefill_peak_fraction,
        report->end_to_end.decode_peak_fraction, report->end_to_end.peak_fraction}) {
    EXPECT_GT(fraction, 0);
  }
  ASSERT_TRUE(report->concurrency);
  EXPECT_EQ(report->concurrency->parallel, 3U);
  EXPECT_EQ(report->concurrency->requests, 3U);
  EXPECT_GE(report->concurrency->p95_ms, report->concurrency->p50_ms);
  EXPECT_GT(report->concurrency->alone_ms, 0);
}

TEST(BenchTest, AMissingModelIsAnError) {
  BenchOptions options = tiny_options();
  options.directory = "/nonexistent";
  const auto report = run(options, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kNotFound);
}

TEST(BenchTest, ThePictureIsAPhotoOfTheSizeItIsSaidToBe) {
  const auto jpeg = make_jpeg();
  const auto picture = image::decode_image(jpeg);
  ASSERT_TRUE(picture) << picture.error().message;
  EXPECT_EQ(picture->width, 1500);
  EXPECT_EQ(picture->height, 2100);
  EXPECT_GT(jpeg.size(), 300'000U);
  EXPECT_LT(jpeg.size(), 3'000'000U);
  EXPECT_EQ(make_jpeg(), jpeg);
  EXPECT_NE(make_jpeg(kPictureSeed + 1), jpeg);
}

TEST(BenchTest, PeakMemoryStartsAgainWhereTheSystemAllowsIt) {
  {
    constexpr std::size_t kBytes = std::size_t{256} << 20, kPage = 4096;
    std::vector<char> block(kBytes);
    volatile char* const touched = block.data();  // or the compiler leaves the block out
    for (std::size_t at = 0; at < kBytes; at += kPage) touched[at] = 'x';
  }
  const auto before = peak_memory_mb();
  if (!before || !reset_peak_memory()) GTEST_SKIP() << "not on this system";
  EXPECT_LT(*peak_memory_mb(), *before);
}

Report report_with(double bf16_after) {
  Report report;
  report.model = "smolvlm-500m";
  report.synthetic = true;
  report.before = {.f32_gflops = 100, .bf16_gflops = 200, .int8_gops = 400, .read_gbps = 30};
  report.after = report.before;
  report.after.bf16_gflops = bf16_after;
  report.tiles = {{.size = 1, .value = 110, .peak_fraction = 0.8},
                  {.size = 4, .value = 100, .peak_fraction = 0.9}};
  report.prefill = {{.size = 128, .value = 50, .peak_fraction = 0.7}};
  report.decode = {{.size = 64, .value = 200, .peak_fraction = 0.83}};
  report.end_to_end = {.total_ms = 1000,
                       .vision_peak_fraction = 0.81,
                       .prefill_peak_fraction = 0.61,
                       .decode_peak_fraction = 0.71,
                       .peak_fraction = 0.78};
  return report;
}

TEST(ReportTest, AMachineThatMovedIsNotSteady) {
  EXPECT_TRUE(report_with(200).steady());
  EXPECT_TRUE(report_with(191).steady());
  EXPECT_FALSE(report_with(189).steady());
  EXPECT_FALSE(report_with(215).steady());
}

TEST(ReportTest, JsonHasTheMembersOfTheContractAndNullForWhatWasNotMeasured) {
  const auto json = to_json(report_with(200));
  EXPECT_EQ(json["machine"]["int8_gops"], 400);
  EXPECT_EQ(json["machine"]["bf16_gflops"], 200);
  EXPECT_EQ(json["machine"]["f32_gflops"], 100);
  EXPECT_EQ(json["machine"]["read_gbps"], 30);
  EXPECT_EQ(json["machine"]["steady"], true);
  EXPECT_EQ(json["tile_ms"], 110);
  EXPECT_TRUE(json["prefill_872_ms"].is_null());
  EXPECT_TRUE(json["decode_tok_s"].is_null());
  EXPECT_TRUE(json["peak_rss_mb"].is_null());
  EXPECT_TRUE(json["end_to_end_ms"].is_number());
  EXPECT_EQ(json["model"]["synthetic"], true);
}

TEST(ReportTest, TheTableHasTheShareOfThePeakOfEveryStage) {
  const std::string table = to_table(report_with(200));
  for (const char* share : {"80", "90", "70", "83", "81", "61", "71", "78"}) {
    EXPECT_NE(table.find(std::string("  ") + share + " % of peak\n"), std::string::npos) << share << table;
  }
}

TEST(ReportTest, RequestsAtOnceAreComparedWithOneAtATime) {
  Report report = report_with(200);
  report.concurrency = {.parallel = 4,
                        .requests = 12,
                        .requests_per_s = 5,
                        .p50_ms = 600,
                        .p95_ms = 790,
                        .together_ms = 800,
                        .alone_ms = 250};
  const auto json = to_json(report)["concurrency"];
  EXPECT_EQ(json["parallel"], 4);
  EXPECT_EQ(json["requests"], 12);
  EXPECT_EQ(json["requests_per_s"], 5);
  EXPECT_EQ(json["p50_ms"], 600);
  EXPECT_EQ(json["p95_ms"], 790);
  EXPECT_EQ(json["together_ms"], 800);
  EXPECT_EQ(json["alone_ms"], 250);
  EXPECT_EQ(json["percent_of_one_at_a_time"], 80);
  EXPECT_NE(to_table(report).find("80 % of one at a time"), std::string::npos);
}

TEST(ReportTest, TheTableSaysThatWeightsAreRandomAndThatAMachineWasBusy) {
  EXPECT_NE(to_table(report_with(200)).find("synthetic: random weights"), std::string::npos);
  EXPECT_EQ(to_table(report_with(200)).find("measure again"), std::string::npos);
  EXPECT_NE(to_table(report_with(150)).find("measure again"), std::string::npos);
}

}  // namespace
}  // namespace fovea::bench
