// Checkpoints of micro CNNs, float and quantised: two bytes of length and a config.json, the rest
// model.safetensors. What is refused is refused with a short message; what loads runs, and its probabilities
// are probabilities wherever its numbers stay finite.

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "models/micro_cnn/model.h"

namespace {

namespace micro = fovea::models::micro_cnn;

constexpr std::size_t kMostMacs = 2'000'000;  // more would be slow, not wrong

void require(bool condition) {
  if (!condition) std::abort();
}

void write(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A folder in memory where there is one, removed when the process ends.
class Folder {
 public:
  Folder() {
    std::string pattern =
        std::filesystem::exists("/dev/shm") ? "/dev/shm/micro_cnn_fuzz_XXXXXX" : "/tmp/micro_cnn_fuzz_XXXXXX";
    require(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
    write(path_ / "preprocessor_config.json", "{}");
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static const Folder folder;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string_view config = bytes.substr(0, data[0] | data[1] << 8U);
  write(folder.path() / "config.json", config);
  write(folder.path() / "model.safetensors", bytes.substr(config.size()));
  const auto model = micro::Model::load(folder.path());
  if (!model) {
    require(model.error().code == fovea::ErrorCode::kInvalidModel);
    require(model.error().message.size() < 2000);
    return 0;
  }
  if (micro::count_macs((*model)->layers()) > kMostMacs) return 0;
  const std::size_t side = (*model)->config().image_size;
  std::vector<std::uint8_t> picture(side * side * 3);
  for (std::size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<std::uint8_t>(i * 37 + i / 256);
  const micro::Prediction prediction = (*model)->predict_prepared(picture);
  require(prediction.logits.size() == (*model)->config().labels.size());
  require(prediction.probabilities.size() == prediction.logits.size() &&
          prediction.top < prediction.logits.size());
  if (std::ranges::all_of(prediction.logits, [](float logit) { return std::isfinite(logit); })) {
    for (const float probability : prediction.probabilities)
      require(probability >= 0.0F && probability <= 1.0F);
  }
  return 0;
}
