#include "compress/micro_cnn_quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "compress/integer_fit.h"
#include "models/micro_cnn/integer_checkpoint.h"
#include "models/micro_cnn/model.h"
#include "support/checkpoint_copy.h"
#include "support/micro_cnn.h"

namespace fovea::compress {
namespace {

namespace fs = std::filesystem;
namespace micro = models::micro_cnn;
using testing::HasSubstr;

/// How far integers are from the float network: the root mean square error of the logits relative to their
/// spread, and the share of pictures with the same top class.
struct Distance {
  double error = 0;
  double same_top = 0;
};

Distance distance(const micro::Model& model, const micro::IntegerNetwork& integers,
                  const std::vector<std::vector<std::uint8_t>>& pictures) {
  double squares = 0;
  double spread = 0;
  double same = 0;
  std::vector<double> mean(model.config().labels.size());
  std::vector<micro::Prediction> expected;
  for (const auto& picture : pictures) {
    expected.push_back(model.predict_prepared(picture));
    for (std::size_t i = 0; i < mean.size(); ++i)
      mean[i] += expected.back().logits[i] / static_cast<double>(pictures.size());
  }
  for (std::size_t n = 0; n < pictures.size(); ++n) {
    const auto logits = integers.run(pictures[n]);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      squares += std::pow(static_cast<double>(logits[i]) / micro::kLogitScale - expected[n].logits[i], 2);
      spread += std::pow(expected[n].logits[i] - mean[i], 2);
    }
    const auto top = std::ranges::max_element(logits) - logits.begin();
    same += static_cast<std::size_t>(top) == expected[n].top ? 1 : 0;
  }
  return {.error = std::sqrt(squares / spread), .same_top = same / static_cast<double>(pictures.size())};
}

class VariantTest : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<const micro::Model> model_ = micro::Model::load(test::micro_cnn_folder(GetParam())).value();

  [[nodiscard]] micro::IntegerNetwork quantised(std::int32_t most) const {
    return quantize_network(model_->float_network()->layers(), test::seeded_pictures(96, 7), most);
  }
};

TEST_P(VariantTest, Int8FollowsTheFloatNetworkOnPicturesItWasNotCalibratedWith) {
  const Distance found = distance(*model_, quantised(micro::kMostSigned), test::seeded_pictures(300, 8));
  std::printf("%s int8: error %.4f, same top %.4f\n", GetParam(), found.error, found.same_top);
  EXPECT_LT(found.error, 0.12);
  EXPECT_GE(found.same_top, 0.97);
}

TEST_P(VariantTest, Int4FollowsItLessClosely) {
  const Distance found = distance(*model_, quantised(micro::kMostInt4), test::seeded_pictures(300, 8));
  std::printf("%s int4: error %.4f, same top %.4f\n", GetParam(), found.error, found.same_top);
  EXPECT_LT(found.error, 0.35);
  EXPECT_GE(found.same_top, 0.85);
}

INSTANTIATE_TEST_SUITE_P(MicroCnn, VariantTest,
                         testing::Values("v1", "v2", "se4", "se8", "3block", "v1-odd", "v2-odd"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace fovea::compress
