#include <fmt/format.h>
#include <jpeglib.h>

#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h uses FILE and size_t without including them
#include <string_view>
#include <vector>

#include "image/codecs.h"
#include "image/orientation.h"

namespace fovea::image {
namespace {

// A progressive file may state any number of scans, each of which walks over all coefficients. Encoders write
// about ten. DecodeLimits::max_scan_pixels bounds them for large pictures, this for small ones.
constexpr std::uint64_t kMaxScans = 100;

/// libjpeg reports errors by a callback that must not return: ours jumps back to the method that called the
/// library. Every such method keeps only plain data between setjmp and the jump, so no destructor is skipped.
struct ErrorManager {
  jpeg_error_mgr base;  // first, so that the library's pointer is a pointer to this
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> message;
};

[[noreturn]] void jump_out(j_common_ptr decoder) {
  std::longjmp(reinterpret_cast<ErrorManager*>(decoder->err)->jump, 1);
}

[[noreturn]] void on_error(j_common_ptr decoder) {
  auto* manager = reinterpret_cast<ErrorManager*>(decoder->err);
  decoder->err->format_message(decoder, manager->message.data());
  jump_out(decoder);
}

[[noreturn]] void stop_with(j_common_ptr decoder, std::string_view message) {
  auto* manager = reinterpret_cast<ErrorManager*>(decoder->err);
  message.copy(manager->message.data(), manager->message.size() - 1);  // the array was zeroed
  jump_out(decoder);
}

// The library would invent an end-of-image marker and fill the rest with grey.
boolean on_end_of_input(j_decompress_ptr decoder) {
  stop_with(reinterpret_cast<j_common_ptr>(decoder), "truncated: the data end before the picture does");
}

void skip_input(j_decompress_ptr decoder, long count) {
  if (count <= 0) return;
  jpeg_source_mgr& source = *decoder->src;
  if (static_cast<std::size_t>(count) > source.bytes_in_buffer) on_end_of_input(decoder);
  source.next_input_byte += count;
  source.bytes_in_buffer -= static_cast<std::size_t>(count);
}

/// The library's progress report, with what it is compared to.
struct ScanLimit {
  jpeg_progress_mgr base;  // first, as above
  std::uint64_t max_scan_pixels;
};

void on_progress(j_common_ptr common) {
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(common);
  const auto scans = static_cast<std::uint64_t>(decoder->input_scan_number);
  const std::uint64_t pixels = std::uint64_t{decoder->image_width} * decoder->image_height;
  if (scans > kMaxScans ||
      scans * pixels > reinterpret_cast<ScanLimit*>(decoder->progress)->max_scan_pixels) {
    stop_with(common, "more scans than are decoded for a picture of this size");
  }
}

/// a * b / 255, rounded.
int scale_255(int a, int b) {
  const int product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

/// Pillow takes every CMYK JPEG for an Adobe one, whose values are stored inverted, and mixes without a
/// colour profile: red = (255 - K) less its share of C.
void convert_cmyk(const JSAMPLE* cmyk, std::size_t pixels, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
    const int white = cmyk[3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int ink = 255 - cmyk[c];
      rgb[c] = static_cast<std::uint8_t>(white - scale_255(ink, white));
    }
  }
}

/// One decompression. The methods return false on failure, and `message` says why.
class JpegReader {
 public:
  explicit JpegReader(std::uint64_t max_scan_pixels) {
    info_.err = jpeg_std_error(&error_.base);
    error_.base.error_exit = on_error;
    // Warnings (odd markers, damage inside a scan) are passed over as Pillow does.
    error_.base.emit_message = [](j_common_ptr, int) {};
    error_.base.output_message = [](j_common_ptr) {};
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = on_end_of_input;
    source_.skip_input_data = skip_input;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    progress_.base.progress_monitor = on_progress;
    progress_.max_scan_pixels = max_scan_pixels;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool read_header(std::span<const std::byte> bytes) {
    if (setjmp(error_.jump) != 0) return false;
    jpeg_create_decompress(&info_);
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    source_.bytes_in_buffer = bytes.size();
    info_.src = &source_;
    info_.progress = &progress_.base;
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  /// Decodes all rows to `rgb`. `cmyk` has room for one row of a picture of four components, else is null.
  bool read_pixels(std::uint8_t* rgb, JSAMPLE* cmyk) {
    if (setjmp(error_.jump) != 0) return false;
    info_.out_color_space = cmyk != nullptr ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* out = rgb + std::size_t{3} * info_.output_width * info_.output_scanline;
      JSAMPROW row = cmyk != nullptr ? cmyk : out;
      jpeg_read_scanlines(&info_, &row, 1);
      if (cmyk != nullptr) convert_cmyk(cmyk, info_.output_width, out);
    }
    jpeg_finish_decompress(&info_);  // reads to the end-of-image marker
    return true;
  }

  [[nodiscard]] const jpeg_decompress_struct& info() const { return info_; }
  [[nodiscard]] std::string_view message() const { return error_.message.data(); }

 private:
  ErrorManager error_{};
  jpeg_source_mgr source_{};
  ScanLimit progress_{};
  jpeg_decompress_struct info_{};
};

int orientation_of(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0", 5);
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (data.starts_with(kExif)) return exif_orientation(std::as_bytes(std::span(data)));
  }
  return 1;
}

std::unexpected<Error> damaged(const JpegReader& reader) {
  return fail(ErrorCode::kInvalidImage, fmt::format("JPEG cannot be decoded: {}", reader.message()));
}

}  // namespace

Result<StoredImage> decode_jpeg(std::span<const std::byte> bytes, const DecodeLimits& limits) {
  JpegReader reader(limits.max_scan_pixels);
  if (!reader.read_header(bytes)) return damaged(reader);
  const jpeg_decompress_struct& info = reader.info();
  FOVEA_CHECK_OK(check_size("JPEG", info.image_width, info.image_height, limits));
  const int components = info.num_components;
  if (components != 1 && components != 3 && components != 4) {
    return fail(ErrorCode::kInvalidImage,
                fmt::format("JPEG with {} colour components; expected 1, 3 or 4", components));
  }

  StoredImage stored;
  stored.orientation = orientation_of(info);
  stored.image = make_image(static_cast<int>(info.image_width), static_cast<int>(info.image_height));
  std::vector<JSAMPLE> cmyk(components == 4 ? std::size_t{4} * info.image_width : 0);
  if (!reader.read_pixels(stored.image.rgb.data(), cmyk.empty() ? nullptr : cmyk.data()))
    return damaged(reader);
  return stored;
}

}  // namespace fovea::image
