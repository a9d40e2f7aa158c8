#include <fmt/format.h>
#include <spng.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "image/codecs.h"
#include "image/orientation.h"

namespace fovea::image {
namespace {

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kChunkOverhead = 12;  // length, type, checksum
constexpr std::size_t kIhdrEnd = kSignatureBytes + kChunkOverhead + 13;
constexpr std::size_t kWidthAt = 16;
constexpr std::size_t kHeightAt = 20;

std::uint32_t read_u32(const std::byte* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[i]);
  return value;
}

/// Hands a PNG file to the decoder without its ancillary chunks: pixels need none of them, and compressed
/// text and colour profiles can be bombs. Remembers the EXIF chunk, and whether the file was cut short.
class ChunkStream {
 public:
  explicit ChunkStream(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// Fills `out`; false when the file ends first.
  bool read(std::byte* out, std::size_t count) {
    while (count > 0) {
      if (left_ == 0 && !next_critical()) return false;
      const std::size_t part = std::min({count, left_, bytes_.size() - at_});
      if (part == 0) return false;
      std::memcpy(out, bytes_.data() + at_, part);
      out += part;
      count -= part;
      at_ += part;
      left_ -= part;
    }
    return true;
  }

  /// Goes on to the end of the file's last chunk; false when the file ends first.
  bool finish() {
    while (!(in_iend_ && left_ <= bytes_.size() - at_)) {
      if (left_ > bytes_.size() - at_) return false;
      at_ += left_;
      left_ = 0;
      if (!next_critical()) return false;
    }
    return true;
  }

  /// The payload of the EXIF chunk, of those read so far; empty when there is none.
  [[nodiscard]] std::span<const std::byte> exif() const { return exif_; }

 private:
  /// Moves to the next critical chunk; false when the file ends first.
  bool next_critical() {
    while (bytes_.size() - at_ >= kChunkOverhead) {
      const std::size_t length = read_u32(bytes_.data() + at_);
      const std::string_view type(reinterpret_cast<const char*>(bytes_.data()) + at_ + 4, 4);
      const bool ancillary = (type[0] & 0x20) != 0;
      if (!ancillary) {
        left_ = length + kChunkOverhead;
        in_iend_ = type == "IEND";
        return true;
      }
      if (length > bytes_.size() - at_ - kChunkOverhead) return false;
      if (type == "eXIf") exif_ = bytes_.subspan(at_ + 8, length);
      at_ += length + kChunkOverhead;
    }
    return false;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::size_t left_ = kSignatureBytes;  ///< bytes until the end of what is being handed on
  bool in_iend_ = false;
  std::span<const std::byte> exif_;
};

int read_stream(spng_ctx*, void* user, void* destination, std::size_t length) {
  return static_cast<ChunkStream*>(user)->read(static_cast<std::byte*>(destination), length) ? 0
                                                                                             : SPNG_IO_EOF;
}

struct FreeContext {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};

std::unexpected<Error> damaged(int code) {
  if (code == SPNG_IO_EOF) {
    return fail(ErrorCode::kInvalidImage, "PNG is truncated: the data end before the picture does");
  }
  return fail(ErrorCode::kInvalidImage, fmt::format("PNG cannot be decoded: {}", spng_strerror(code)));
}

/// Converts scanlines as the file packs them to RGB. Alpha is left out; of 16 bits the high 8 are kept.
class RowExpander {
 public:
  RowExpander(const spng_ihdr& header, const spng_plte& palette) : depth_(header.bit_depth) {
    const int channels = header.color_type == SPNG_COLOR_TYPE_TRUECOLOR         ? 3
                         : header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA ? 4
                         : header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ? 2
                                                                                : 1;
    colour_ = channels >= 3;
    sample_bytes_ = depth_ == 16 ? 2 : 1;
    pixel_bytes_ = static_cast<std::size_t>(channels) * sample_bytes_;
    const bool indexed = header.color_type == SPNG_COLOR_TYPE_INDEXED;
    const int highest = depth_ >= 8 ? 255 : (1 << depth_) - 1;
    for (int value = 0; value <= highest; ++value) {
      const auto grey = static_cast<std::uint8_t>(value * 255 / highest);
      if (!indexed) {
        table_[value] = {grey, grey, grey};
      } else if (static_cast<std::uint32_t>(value) < palette.n_entries) {
        table_[value] = {palette.entries[value].red, palette.entries[value].green,
                         palette.entries[value].blue};
      }
    }
  }

  /// `count` pixels of `row`, written from `out` on, `step` pixels apart.
  void expand(const std::uint8_t* row, int count, std::uint8_t* out, int step) const {
    for (int i = 0; i < count; ++i, out += std::ptrdiff_t{3} * step) {
      if (colour_) {
        const std::uint8_t* pixel = row + i * pixel_bytes_;
        for (std::size_t c = 0; c < 3; ++c) out[c] = pixel[c * sample_bytes_];
      } else {
        std::memcpy(out, table_[sample(row, i)].data(), 3);
      }
    }
  }

 private:
  [[nodiscard]] unsigned sample(const std::uint8_t* row, int i) const {
    if (depth_ >= 8) return row[i * pixel_bytes_];
    const std::size_t bit = static_cast<std::size_t>(i) * depth_;
    return (row[bit / 8] >> (8 - depth_ - bit % 8)) & ((1U << depth_) - 1);
  }

  unsigned depth_;
  bool colour_ = false;
  std::size_t sample_bytes_ = 1;
  std::size_t pixel_bytes_ = 1;
  std::array<std::array<std::uint8_t, 3>, 256> table_{};  ///< grey level or palette index to RGB
};

/// Decodes the pixels; for an interlaced file each of the seven passes fills its own grid of the picture.
Result<void> decode_rows(spng_ctx* context, const spng_ihdr& header, const RowExpander& expander,
                         Image& image) {
  constexpr std::array<int, 7> kFirstColumn = {0, 4, 0, 2, 0, 1, 0};
  constexpr std::array<int, 7> kColumnStep = {8, 8, 4, 4, 2, 2, 1};

  std::vector<std::uint8_t> row(std::size_t{8} * header.width);  // 8 bytes: RGBA of 16 bits
  int code = SPNG_OK;
  while (code != SPNG_EOI) {
    spng_row_info info{};
    code = spng_get_row_info(context, &info);
    if (code != SPNG_OK) return damaged(code);
    code = spng_decode_scanline(context, row.data(), row.size());
    if (code != SPNG_OK && code != SPNG_EOI) return damaged(code);
    const auto pass = static_cast<std::size_t>(info.pass);
    const int first = header.interlace_method == 0 ? 0 : kFirstColumn[pass];
    const int step = header.interlace_method == 0 ? 1 : kColumnStep[pass];
    const int count = (image.width - first + step - 1) / step;
    const std::size_t pixel = std::size_t{info.row_num} * header.width + static_cast<std::size_t>(first);
    expander.expand(row.data(), count, image.rgb.data() + 3 * pixel, step);
  }
  return {};
}

}  // namespace

Result<StoredImage> decode_png(std::span<const std::byte> bytes, const DecodeLimits& limits) {
  if (bytes.size() < kIhdrEnd) return damaged(SPNG_IO_EOF);
  FOVEA_CHECK_OK(
      check_size("PNG", read_u32(bytes.data() + kWidthAt), read_u32(bytes.data() + kHeightAt), limits));

  ChunkStream stream(bytes);
  const std::unique_ptr<spng_ctx, FreeContext> context(spng_ctx_new(0));
  if (context == nullptr) return fail(ErrorCode::kInternal, "no memory for a PNG decoder");
  spng_ihdr header{};
  spng_plte palette{};
  int code = spng_set_png_stream(context.get(), read_stream, &stream);
  if (code == SPNG_OK) code = spng_get_ihdr(context.get(), &header);
  if (code == SPNG_OK) {
    code = spng_decode_image(context.get(), nullptr, 0, SPNG_FMT_RAW, SPNG_DECODE_PROGRESSIVE);
  }
  if (code == SPNG_OK && header.color_type == SPNG_COLOR_TYPE_INDEXED) {
    code = spng_get_plte(context.get(), &palette);
  }
  if (code != SPNG_OK) return damaged(code);

  StoredImage stored;
  stored.image = make_image(static_cast<int>(header.width), static_cast<int>(header.height));
  FOVEA_CHECK_OK(decode_rows(context.get(), header, RowExpander(header, palette), stored.image));
  if (!stream.finish()) return damaged(SPNG_IO_EOF);
  stored.orientation = exif_orientation(stream.exif());
  return stored;
}

}  // namespace fovea::image
