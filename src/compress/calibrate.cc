#include "compress/calibrate.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/file.h"
#include "image/decode.h"

namespace fovea::compress {
namespace {

/// Of one product, evenly spaced: the patches of a tower are many and alike.
constexpr std::size_t kMostRows = 256;

class MomentsObserver : public nn::InputObserver {
 public:
  MomentsObserver(const std::function<bool(std::string_view)>& wanted, WorkerTeam& team)
      : wanted_(wanted), team_(team) {}

  void see(std::span<const std::string_view> weights, const float* x, std::size_t rows,
           std::size_t columns) override {
    if (!wanted_(weights.front())) return;
    const auto first = calibration_.find(weights.front());
    const auto moments =
        first != calibration_.end() ? first->second : std::make_shared<quantize::Moments>(columns);
    for (const std::string_view name : weights) calibration_.try_emplace(std::string(name), moments);
    if (rows <= kMostRows) {
      moments->add(x, rows, team_);
      return;
    }
    sample_.resize(kMostRows * columns);
    for (std::size_t i = 0; i < kMostRows; ++i) {
      std::copy_n(x + i * rows / kMostRows * columns, columns, sample_.data() + i * columns);
    }
    moments->add(sample_.data(), kMostRows, team_);
  }

  [[nodiscard]] quantize::Calibration take() { return std::move(calibration_); }

 private:
  const std::function<bool(std::string_view)>& wanted_;
  WorkerTeam& team_;
  quantize::Calibration calibration_;
  std::vector<float> sample_;
};

}  // namespace

Result<void> answer_pictures(engine::Generator& generator, const CalibrationData& data) {
  if (data.pictures.empty()) return fail(ErrorCode::kInvalidArgument, "no pictures to calibrate with");
  for (std::size_t i = 0; i < data.pictures.size(); ++i) {
    FOVEA_TRY(const std::string bytes, read_file(data.pictures[i], image::kMaxFileBytes));
    auto picture = image::decode_image(std::as_bytes(std::span(bytes)));
    if (!picture) return with_context(std::move(picture).error(), data.pictures[i].string());
    FOVEA_CHECK_OK(generator.generate({&*picture, 1}, data.prompt, {.max_new_tokens = data.max_new_tokens}));
    if (data.progress) data.progress(i + 1);
  }
  return {};
}

Result<quantize::Calibration> calibrate(const std::filesystem::path& source, const CalibrationData& data,
                                        const std::function<bool(std::string_view name)>& wanted) {
  FOVEA_TRY(const auto generator, engine::Generator::open(source, {.model = {}}));
  MomentsObserver observer(wanted, generator->compute().team);
  generator->observe(&observer);
  FOVEA_CHECK_OK(answer_pictures(*generator, data));
  return observer.take();
}

}  // namespace fovea::compress
