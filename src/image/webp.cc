#include <fmt/format.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "image/codecs.h"
#include "image/orientation.h"

namespace fovea::image {
namespace {

struct FreeDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

/// A demuxer's iterator over frames, on the first frame when `found`.
struct FirstFrame {
  explicit FirstFrame(const WebPDemuxer* demuxer) { found = WebPDemuxGetFrame(demuxer, 1, &frame) != 0; }
  ~FirstFrame() { WebPDemuxReleaseIterator(&frame); }
  FirstFrame(const FirstFrame&) = delete;
  FirstFrame& operator=(const FirstFrame&) = delete;

  WebPIterator frame{};
  bool found = false;
};

int orientation_of(const WebPDemuxer* demuxer) {
  WebPChunkIterator exif{};
  int orientation = 1;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &exif) != 0) {
    orientation = exif_orientation(std::as_bytes(std::span(exif.chunk.bytes, exif.chunk.size)));
  }
  WebPDemuxReleaseChunkIterator(&exif);
  return orientation;
}

std::unexpected<Error> damaged(const char* why) {
  return fail(ErrorCode::kInvalidImage, fmt::format("WebP cannot be decoded: {}", why));
}

const char* describe(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "truncated: the data end before the picture does";
    case VP8_STATUS_OUT_OF_MEMORY:
      return "no memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "a feature that the library does not know";
    default:
      return "the data are damaged";
  }
}

}  // namespace

Result<StoredImage> decode_webp(std::span<const std::byte> bytes, const DecodeLimits& limits) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  WebPBitstreamFeatures features{};
  const VP8StatusCode header = WebPGetFeatures(data, bytes.size(), &features);
  if (header != VP8_STATUS_OK) return damaged(describe(header));
  FOVEA_CHECK_OK(check_size("WebP", static_cast<std::uint64_t>(features.width),
                            static_cast<std::uint64_t>(features.height), limits));

  const WebPData file = {data, bytes.size()};
  const std::unique_ptr<WebPDemuxer, FreeDemuxer> demuxer(WebPDemux(&file));
  if (demuxer == nullptr) return damaged("truncated, or its chunks are damaged");
  const FirstFrame first(demuxer.get());
  const WebPIterator& frame = first.frame;
  if (!first.found || frame.x_offset < 0 || frame.y_offset < 0 || frame.width < 1 || frame.height < 1 ||
      frame.width > features.width - frame.x_offset || frame.height > features.height - frame.y_offset) {
    return damaged("its first frame does not lie on its canvas");
  }

  // The first frame of an animation is drawn, without blending, on a transparent black canvas; alpha is left
  // out. So its RGB can be decoded straight into place.
  StoredImage stored;
  stored.image = make_image(features.width, features.height);
  stored.orientation = orientation_of(demuxer.get());
  const std::size_t offset =
      3 * (static_cast<std::size_t>(frame.y_offset) * static_cast<std::size_t>(features.width) +
           static_cast<std::size_t>(frame.x_offset));
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    return fail(ErrorCode::kInternal, "libwebp is of another version than the one compiled against");
  }
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = stored.image.rgb.data() + offset;
  config.output.u.RGBA.stride = 3 * features.width;
  config.output.u.RGBA.size = stored.image.rgb.size() - offset;
  const VP8StatusCode status = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
  if (status != VP8_STATUS_OK) return damaged(describe(status));
  return stored;
}

}  // namespace fovea::image
