#include "evaluate/matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "evaluate/checkpoint_figures.h"
#include "evaluate/matrix_fixture.h"
#include "support/golden.h"
#include "support/micro_cnn.h"
#include "support/temporary_folder.h"

namespace fovea::evaluate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Matrix two_models() {
  Matrix matrix =
      make_matrix({{.model = "a<b>&\"c\"", .right = 80},
                   {.model = "micro", .dtype = "int8", .right = 91, .p95_ms = 0.25, .edge = true}});
  matrix.skipped = {{.name = "micro:bf16", .why = "cannot & will not"}};
  return matrix;
}

/// The first place where tags are not closed in order; empty where they all are.
std::string unbalanced_tag(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return html.substr(at, 40);
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.starts_with("!DOCTYPE") || tag.ends_with("/")) continue;
    if (!tag.starts_with("/")) {
      open.push_back(name);
    } else if (open.empty() || open.back() != tag.substr(1)) {
      return html.substr(at, 40);
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}

TEST(MatrixTest, JsonComesBackAsItWas) {
  const Matrix matrix = two_models();
  const auto read = Matrix::from_json(matrix.to_json());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->to_json().dump(), matrix.to_json().dump());
}

TEST(MatrixTest, EveryResultHasWhatEvaluateAlwaysPrints) {
  const auto json = two_models().to_json();
  ASSERT_EQ(json["results"].size(), 2U);
  const auto& result = json["results"][1];
  EXPECT_EQ(result["model"], "micro");
  EXPECT_EQ(result["n"], 100);
  EXPECT_DOUBLE_EQ(result["accuracy"], 0.91);
  EXPECT_EQ(result["interval95"].size(), 2U);
  EXPECT_DOUBLE_EQ(result["fields"]["label"], 0.91);
  EXPECT_DOUBLE_EQ(result["latency_ms"]["p95"], 0.25);
  EXPECT_DOUBLE_EQ(result["latency_ms"]["cold"]["p50"], 0.5);
  EXPECT_EQ(json["paired"].size(), 1U);
}

TEST(MatrixTest, ADamagedReportIsRefusedWithTheMembersName) {
  const auto refusal = [](const auto& damage) {
    auto json = two_models().to_json();
    damage(json);
    const auto read = Matrix::from_json(json);
    EXPECT_FALSE(read.has_value()) << json.dump();
    return read ? "" : read.error().message;
  };
  using Json = nlohmann::ordered_json;
  EXPECT_THAT(refusal([](Json& json) { json = Json::array(); }), HasSubstr("object"));
  EXPECT_THAT(refusal([](Json& json) { json["schema"] = 2; }), HasSubstr("\"schema\""));
  EXPECT_THAT(refusal([](Json& json) { json["results"][1].erase("file_bytes"); }),
              AllOf(HasSubstr("results[1]"), HasSubstr("\"file_bytes\"")));
  EXPECT_THAT(refusal([](Json& json) { json["results"][0]["latency_ms"]["p50"] = "fast"; }),
              HasSubstr("\"latency_ms.p50\""));
  EXPECT_THAT(refusal([](Json& json) { json["results"][0]["right"] = 101; }), HasSubstr("right"));
  EXPECT_THAT(refusal([](Json& json) { json["results"][0]["field_counts"] = 3; }), HasSubstr("field_counts"));
  EXPECT_THAT(refusal([](Json& json) { json["results"][0]["confusion"]["counts"].erase(0); }),
              HasSubstr("confusion"));
  EXPECT_THAT(refusal([](Json& json) { json["results"][0]["calibration"]["interval95"] = {1}; }),
              HasSubstr("interval95"));
}

TEST(MatrixTest, MarkdownHasARowForEveryVariant) {
  const std::string text = to_markdown(two_models());
  EXPECT_THAT(text,
              AllOf(HasSubstr("| micro:int8 |"), HasSubstr("0.250 ms"), HasSubstr("91.0 % (83.8 to 95.2)"),
                    HasSubstr("yes: flash 7.00 KB"), HasSubstr("Not measured: micro:bf16"),
                    HasSubstr("| burnt |"), HasSubstr("15.0/s at 2")));
}

TEST(MatrixTest, HtmlIsOneWellFormedFileThatLoadsNothing) {
  const std::string html = to_html(two_models());
  EXPECT_EQ(unbalanced_tag(html), "");
  EXPECT_THAT(html, AllOf(Not(HasSubstr("http")), Not(HasSubstr("src=")), Not(HasSubstr("href=")),
                          Not(HasSubstr("url(")), Not(HasSubstr("@import")), Not(HasSubstr("<script"))));
  EXPECT_THAT(html, AllOf(HasSubstr("a&lt;b&gt;&amp;&quot;c&quot;:f32"), Not(HasSubstr("a<b>")),
                          HasSubstr("Confusion matrix"), HasSubstr("Reliability"),
                          HasSubstr("prefers-color-scheme: dark"), HasSubstr("Accuracy against size")));
}

TEST(MatrixTest, HtmlOfNothingAndOfUnmeasuredTimesIsWellFormed) {
  EXPECT_EQ(unbalanced_tag(to_html(make_matrix({}))), "");
  Matrix matrix = make_matrix({{.right = 0}});
  matrix.variants.front().warm = {};
  matrix.variants.front().levels = {};
  matrix.variants.front().reliability = {};
  matrix.variants.front().confusion = {};
  const std::string html = to_html(matrix);
  EXPECT_EQ(unbalanced_tag(html), "");
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

TEST(MatrixTest, ReportsAreWrittenAndReadFromTheFolderOrTheFile) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_reports(two_models(), folder.path()).has_value());
  for (const char* name : {"report.json", "report.md", "report.html"}) {
    EXPECT_TRUE(std::filesystem::exists(folder.path() / name)) << name;
  }
  EXPECT_EQ(read_matrix(folder.path()).value().variants.size(), 2U);
  EXPECT_EQ(read_matrix(folder.path() / "report.json").value().variants.size(), 2U);
  ASSERT_TRUE(write_file(folder.path() / "other.json", "{}").has_value());
  EXPECT_THAT(read_matrix(folder.path() / "other.json").error().message, HasSubstr("not a report of fovea"));
}

TEST(KeptTest, GivesBackWhatWasKeptUnderTheKeyAndNothingElse) {
  const test::TemporaryFolder folder;
  const Kept kept(folder.path());
  const Variant variant = make_variant({});
  EXPECT_FALSE(kept.find(variant.key).has_value());
  ASSERT_TRUE(kept.keep(variant).has_value());
  ASSERT_TRUE(kept.find(variant.key).has_value());
  EXPECT_EQ(kept.find(variant.key)->to_json().dump(), variant.to_json().dump());
  EXPECT_FALSE(kept.find("another").has_value());
  std::filesystem::copy(folder.path() / "variants" / (variant.key + ".json"),
                        folder.path() / "variants" / "another.json");
  EXPECT_FALSE(kept.find("another").has_value()) << "a renamed file is not what its name says";
  ASSERT_TRUE(write_file(folder.path() / "variants" / (variant.key + ".json"), "{\"half\":").has_value());
  EXPECT_FALSE(kept.find(variant.key).has_value());
}

TEST(RoomTest, FollowsTheLineThroughThePeaks) {
  const std::vector<LoadLevel> levels = make_variant({}).levels;  // 100 MB for each request, from 500 MB
  const Room room = room_within(levels, 750'000'000);
  EXPECT_NEAR(room.bytes_per_request, 100e6, 1);
  EXPECT_NEAR(room.base_bytes, 500e6, 1);
  EXPECT_EQ(room.fits, 3U);
  EXPECT_FALSE(room.beyond_measurement);
  EXPECT_EQ(room_within(levels, 2'000'000'000).fits, 16U);
  EXPECT_TRUE(room_within(levels, 2'000'000'000).beyond_measurement);
  EXPECT_EQ(room_within(levels, 499'000'000).fits, 0U);
}

TEST(RoomTest, WithoutGrowthOrFiguresThereIsNoNumber) {
  const Room flat =
      room_within({{.parallel = 1, .peak_bytes = 500}, {.parallel = 8, .peak_bytes = 480}}, 1000);
  EXPECT_FALSE(flat.fits.has_value());
  EXPECT_EQ(flat.measured_up_to, 8U);
  const Room unknown = room_within({{.parallel = 1, .peak_bytes = 0}}, 1000);
  EXPECT_EQ(unknown.measured_up_to, 0U);
  EXPECT_FALSE(unknown.fits.has_value());
}

TEST(ConfusionTest, CountsTruthAgainstAnswer) {
  Confusion confusion({"raw", "done"});
  confusion.add("raw", "done");
  confusion.add("done", "done");
  confusion.add(nullptr, "raw");    // none of them
  confusion.add("raw", nullptr);    // no answer
  confusion.add("raw", "unknown");  // likewise
  EXPECT_EQ(confusion.to_json()["counts"].dump(), "[[0,1,2],[0,1,0],[1,0,0]]");
  EXPECT_EQ(confusion.of(0).compared, 3U);
  EXPECT_EQ(confusion.of(1).right, 1U);
}

TEST(CheckpointFiguresTest, CountsTheParametersThatTheFilesHold) {
  for (const char* name : {"smolvlm-tiny-f32", "smolvlm-tiny-bf16-tied"}) {
    const auto folder = test::golden_folder(name);
    const auto figures = checkpoint_figures(folder).value();
    const auto checkpoint = tensor::SafeTensors::open_checkpoint(folder).value();
    std::uint64_t stored = 0;
    for (const auto& [tensor, item] : checkpoint.tensors()) stored += item.elements();
    EXPECT_EQ(figures.parameters, stored) << name;
    EXPECT_FALSE(figures.quantised);
    EXPECT_EQ(figures.dtype, std::string_view(name).find("bf16") != std::string_view::npos ? "bf16" : "f32");
  }
}

TEST(CheckpointFiguresTest, KnowsMicroCnns) {
  const auto figures = checkpoint_figures(test::micro_cnn_folder("v1")).value();
  EXPECT_TRUE(figures.is_micro_cnn);
  EXPECT_EQ(figures.parameters, 582U);
  EXPECT_EQ(figures.dtype, "f32");
  EXPECT_EQ(figures.file_bytes,
            std::filesystem::file_size(test::micro_cnn_folder("v1") / "model.safetensors"));
}

}  // namespace
}  // namespace fovea::evaluate
