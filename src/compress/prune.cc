#include "compress/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/shorten.h"
#include "compress/micro_cnn_prune.h"
#include "compress/new_folder.h"
#include "compress/smolvlm_prune.h"
#include "models/micro_cnn/config.h"

namespace fovea::compress {

std::size_t units_left(std::size_t units, double ratio) {
  const auto gone = static_cast<std::size_t>(std::llround(static_cast<double>(units) * ratio));
  return std::max<std::size_t>(1, units - std::min(gone, units));
}

std::vector<std::size_t> most_important(const std::vector<double>& scores, std::size_t count) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  order.resize(count);
  std::ranges::sort(order);
  return order;
}

Result<PruneReport> prune_checkpoint(const std::filesystem::path& source,
                                     const std::filesystem::path& destination, const PruneOptions& options) {
  if (!(options.ratio > 0.0) || !(options.ratio < 1.0)) {
    return fail(ErrorCode::kUsage,
                fmt::format("the ratio is {}, expected a number above 0 and below 1", options.ratio));
  }
  PruneReport report;
  FOVEA_CHECK_OK(write_new_folder(destination, [&](const std::filesystem::path& folder) -> Result<void> {
    FOVEA_TRY(const auto model_type, models::micro_cnn::read_model_type(source));
    if (model_type == models::micro_cnn::kModelType) {
      FOVEA_TRY(report, prune_micro_cnn(source, folder, options));
    } else if (model_type == "idefics3" || model_type == "smolvlm") {
      FOVEA_TRY(report, prune_smolvlm(source, folder, options));
    } else {
      return fail(ErrorCode::kUsage, fmt::format("{}: models of the type \"{}\" are not pruned; expected "
                                                 "\"micro_cnn\", \"idefics3\" or \"smolvlm\"",
                                                 source.string(), shorten(model_type.value_or(""))));
    }
    return {};
  }));
  return report;
}

}  // namespace fovea::compress
