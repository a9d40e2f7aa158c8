#include "compress/micro_cnn_pictures.h"

#include <span>

#include "base/file.h"
#include "image/decode.h"
#include "models/micro_cnn/preprocess.h"

namespace fovea::compress {

Result<std::vector<std::vector<std::uint8_t>>> prepare_pictures(const CalibrationData& data,
                                                                std::size_t size) {
  if (data.pictures.empty()) return fail(ErrorCode::kInvalidArgument, "no pictures to calibrate with");
  std::vector<std::vector<std::uint8_t>> prepared;
  for (const std::filesystem::path& path : data.pictures) {
    FOVEA_TRY(const std::string bytes, read_file(path, image::kMaxFileBytes));
    const auto picture = image::decode_image(std::as_bytes(std::span(bytes)));
    if (!picture) return with_context(picture.error(), path.string());
    prepared.push_back(models::micro_cnn::preprocess(*picture, size));
    if (data.progress) data.progress(prepared.size());
  }
  return prepared;
}

}  // namespace fovea::compress
