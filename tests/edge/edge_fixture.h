#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "compress/micro_cnn_quantize.h"
#include "edge/export.h"
#include "image/decode.h"
#include "models/micro_cnn/integer_checkpoint.h"
#include "models/micro_cnn/model.h"
#include "models/micro_cnn/preprocess.h"
#include "support/checkpoint_copy.h"
#include "support/child_process.h"
#include "support/micro_cnn.h"
#include "support/paths.h"

namespace fovea::edge {

namespace micro = models::micro_cnn;

enum class Format : std::uint8_t { kRgb888, kRgb565Le, kRgb565Be };

/// A frame as a camera gives it.
struct Frame {
  Format format;
  image::Image image;  ///< after the way through 565, where the frame is of such
};

/// What the exported network says of a frame (driver.c).
struct Result {
  std::vector<std::uint16_t> probabilities;
  std::uint8_t label = 0;
  bool operator==(const Result&) const = default;
};
struct Output {
  std::uint32_t checksum = 0;
  std::vector<std::int32_t> logits;  ///< a float export's as their bits
  Result result;
  std::vector<Result> smoothed;  ///< majority of 5, moving average of 4, exponential of 77 / 256
};

/// One reference network and one type of weights.
struct Case {
  const char* golden;
  micro::WeightType weights;
};
void PrintTo(const Case& item, std::ostream* out);
std::string case_name(const testing::TestParamInfo<Case>& info);

/// At least 200 frames of all formats, most of 48 x 48 pixels, some of odd sizes.
std::vector<Frame> test_frames();

/// A model of the reference data, quantised if asked, exported, compiled and run on test_frames().
class EdgeTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override;
  /// Runs a command in the folder of the export, which must end well; its output is shown where it does not.
  void run_command(const std::string& command) const;
  /// The file `results` that the driver wrote.
  [[nodiscard]] std::vector<Output> outputs() const;
  /// What the host computes, and whether the driver's output is the same to the bit.
  void expect_same_bits(const std::vector<Output>& found) const;
  /// Of a float export: logits within 1e-4 of the largest, probabilities within 2 of 2^15.
  void expect_close(const std::vector<Output>& found) const;

  test::TemporaryFolder folder_;
  std::filesystem::path export_ = folder_.path() / "export";
  std::filesystem::path sources_ = test::source_folder() / "tests/edge";
  std::unique_ptr<const micro::Model> model_;
  nlohmann::ordered_json report_;
  std::vector<Frame> frames_ = test_frames();
};

}  // namespace fovea::edge
