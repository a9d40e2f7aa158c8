#include "edge/edge_fixture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>

namespace fovea::edge {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 48;

void append(std::string& bytes, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFFU);
}

/// Five or six bits of a byte.
std::uint16_t to_565(const std::uint8_t* rgb) {
  return static_cast<std::uint16_t>((rgb[0] >> 3) << 11 | (rgb[1] >> 2) << 5 | rgb[2] >> 3);
}

std::uint8_t widened(std::uint32_t value, int bits) {
  return static_cast<std::uint8_t>(value << (8 - bits) | value >> (2 * bits - 8));
}

std::string frame_bytes(const Frame& frame) {
  std::string bytes;
  append(bytes, static_cast<std::uint32_t>(frame.format), 1);
  append(bytes, static_cast<std::uint32_t>(frame.image.width), 2);
  append(bytes, static_cast<std::uint32_t>(frame.image.height), 2);
  for (std::size_t i = 0; i < frame.image.rgb.size(); i += 3) {
    const std::uint8_t* rgb = frame.image.rgb.data() + i;
    std::uint32_t word = to_565(rgb);
    if (frame.format == Format::kRgb565Be) word = (word >> 8) | (word & 0xFFU) << 8;
    if (frame.format == Format::kRgb888) {
      bytes.append(reinterpret_cast<const char*>(rgb), 3);
    } else {
      append(bytes, word, 2);
    }
  }
  return bytes;
}

std::uint32_t checksum(const std::vector<std::uint8_t>& bytes) {
  std::uint32_t hash = 2166136261U;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 16777619U;
  return hash;
}

std::uint8_t top_of(const std::vector<std::uint16_t>& probabilities) {
  return static_cast<std::uint8_t>(std::ranges::max_element(probabilities) - probabilities.begin());
}

/// Smoothing as runtime/api.h describes it, done the plain way.
class Smoothing {
 public:
  std::vector<Result> add(const Result& next) {
    seen_.push_front(next);
    for (std::size_t i = 0; i < next.probabilities.size(); ++i) {
      const std::int64_t value = std::int64_t{next.probabilities[i]} * 128;
      if (seen_.size() == 1) average_.push_back(value);
      const std::int64_t step = (value - average_[i]) * 77;
      average_[i] += (step < 0 ? -((-step + 128) / 256) : (step + 128) / 256);
    }
    return {majority(5), moving_average(4), exponential()};
  }

 private:
  [[nodiscard]] Result majority(std::size_t window) const {
    const std::size_t count = std::min(window, seen_.size());
    Result result{.probabilities = std::vector<std::uint16_t>(average_.size()), .label = 0};
    std::map<std::uint8_t, std::size_t> votes;
    for (std::size_t i = 0; i < count; ++i) ++votes[seen_[i].label];
    std::size_t most = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (votes[seen_[i].label] <= most) continue;
      most = votes[seen_[i].label];
      result.label = seen_[i].label;
    }
    for (const auto& [label, times] : votes) {
      result.probabilities[label] = static_cast<std::uint16_t>((times * 32768 + count / 2) / count);
    }
    return result;
  }
  [[nodiscard]] Result moving_average(std::size_t window) const {
    const std::size_t count = std::min(window, seen_.size());
    Result result;
    for (std::size_t i = 0; i < average_.size(); ++i) {
      std::size_t sum = count / 2;
      for (std::size_t n = 0; n < count; ++n) sum += seen_[n].probabilities[i];
      result.probabilities.push_back(static_cast<std::uint16_t>(sum / count));
    }
    result.label = top_of(result.probabilities);
    return result;
  }
  [[nodiscard]] Result exponential() const {
    Result result;
    for (const std::int64_t value : average_) {
      result.probabilities.push_back(static_cast<std::uint16_t>((value + 64) / 128));
    }
    result.label = top_of(result.probabilities);
    return result;
  }

  std::deque<Result> seen_;
  std::vector<std::int64_t> average_;
};

/// A quantised copy of a reference network.
void quantise(const std::string& golden, micro::WeightType weights, const fs::path& destination) {
  const auto floats = micro::Model::load(test::micro_cnn_folder(golden)).value();
  const bool int4 = weights == micro::WeightType::kInt4;
  const auto network =
      compress::quantize_network(floats->float_network()->layers(), test::seeded_pictures(48, 7),
                                 int4 ? micro::kMostInt4 : micro::kMostSigned);
  fs::create_directories(destination);
  ASSERT_TRUE(micro::write_integers(destination / "model.safetensors", network, weights).has_value());
  nlohmann::json config = read_json_file(test::micro_cnn_folder(golden) / "config.json").value();
  config["quantization_config"] = {
      {"quant_method", "fovea"}, {"version", 1}, {"weights", int4 ? "int4" : "int8"}};
  config["temperature"] = 1.7;
  ASSERT_TRUE(write_file(destination / "config.json", config.dump()).has_value());
  fs::copy_file(test::micro_cnn_folder(golden) / "preprocessor_config.json",
                destination / "preprocessor_config.json");
}

}  // namespace

void PrintTo(const Case& item, std::ostream* out) {
  *out << item.golden << " " << micro::weight_type_name(item.weights);
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  std::string name = std::string(info.param.golden) + "_" + micro::weight_type_name(info.param.weights);
  std::ranges::replace(name, '-', '_');
  return name;
}

std::vector<Frame> test_frames() {
  std::vector<Frame> frames;
  for (auto& picture : test::seeded_pictures(200, 5)) {
    frames.push_back({.format = static_cast<Format>(frames.size() % 3),
                      .image = {.width = kSide, .height = kSide, .rgb = std::move(picture)}});
  }
  for (const char* name : {"1x1", "3x2", "31x20", "47x53", "49x96", "97x200", "200x97", "rgb565"}) {
    const std::string bytes =
        read_file(test::micro_cnn_folder("preprocess") / (std::string(name) + ".png")).value();
    const image::Image image = image::decode_image(std::as_bytes(std::span(bytes))).value();
    for (const Format format : {Format::kRgb888, Format::kRgb565Le, Format::kRgb565Be}) {
      frames.push_back({.format = format, .image = image});
    }
  }
  for (Frame& frame : frames) {
    if (frame.format == Format::kRgb888) continue;
    for (std::size_t i = 0; i < frame.image.rgb.size(); i += 3) {
      std::uint8_t* rgb = frame.image.rgb.data() + i;
      const std::uint32_t word = to_565(rgb);
      rgb[0] = widened(word >> 11, 5);
      rgb[1] = widened(word >> 5 & 63U, 6);
      rgb[2] = widened(word & 31U, 5);
    }
  }
  return frames;
}

void EdgeTest::SetUp() {
  fs::path source = test::micro_cnn_folder(GetParam().golden);
  if (GetParam().weights != micro::WeightType::kFloat) {
    source = folder_.path() / "quantised";
    quantise(GetParam().golden, GetParam().weights, source);
  }
  model_ = micro::Model::load(source).value();
  auto report = export_edge(source, export_, {.prefix = "net"});
  ASSERT_TRUE(report.has_value()) << report.error().message;
  report_ = std::move(*report);
  std::string bytes;
  for (const Frame& frame : frames_) bytes += frame_bytes(frame);
  ASSERT_TRUE(write_file(export_ / "frames", bytes).has_value());
}

void EdgeTest::run_command(const std::string& command) const {
  const fs::path output = folder_.path() / "output";
  test::ChildProcess process({"sh", "-c", "cd '" + export_.string() + "' && " + command}, {.output = output});
  const int code = process.wait();
  ASSERT_EQ(code, 0) << command << "\n" << read_file(output).value_or("");
}

std::vector<Output> EdgeTest::outputs() const {
  const std::string bytes = read_file(export_ / "results").value();
  const std::size_t classes = model_->config().labels.size();
  std::vector<Output> outputs;
  std::size_t at = 0;
  const auto take = [&](void* to, std::size_t count) {
    if (at + count <= bytes.size()) std::memcpy(to, bytes.data() + at, count);
    at += count;
  };
  const auto take_result = [&] {
    Result result{.probabilities = std::vector<std::uint16_t>(classes), .label = 0};
    take(result.probabilities.data(), 2 * classes);
    take(&result.label, 1);
    return result;
  };
  while (at < bytes.size()) {
    Output& output = outputs.emplace_back();
    take(&output.checksum, 4);
    output.logits.resize(classes);
    take(output.logits.data(), 4 * classes);
    output.result = take_result();
    for (int i = 0; i < 3; ++i) output.smoothed.push_back(take_result());
  }
  EXPECT_EQ(at, bytes.size());
  EXPECT_EQ(outputs.size(), frames_.size());
  return outputs;
}

void EdgeTest::expect_same_bits(const std::vector<Output>& found) const {
  Smoothing smoothing;
  const std::uint32_t inverse = micro::inverse_temperature(model_->config().temperature);
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    std::vector<std::uint8_t> picture = micro::preprocess(frames_[i].image, model_->config().image_size);
    const auto logits = model_->integer_network()->run(picture);
    for (std::uint8_t& byte : picture) byte ^= 0x80U;
    ASSERT_EQ(found[i].checksum, checksum(picture)) << "frame " << i;
    ASSERT_EQ(found[i].logits, logits) << "frame " << i;
    Result result{.probabilities = {}, .label = 0};
    for (const std::int32_t probability : micro::fixed_softmax(logits, inverse)) {
      result.probabilities.push_back(static_cast<std::uint16_t>(probability));
    }
    result.label = static_cast<std::uint8_t>(std::ranges::max_element(logits) - logits.begin());
    ASSERT_EQ(found[i].result, result) << "frame " << i;
    ASSERT_EQ(found[i].smoothed, smoothing.add(result)) << "frame " << i;
  }
}

void EdgeTest::expect_close(const std::vector<Output>& found) const {
  Smoothing smoothing;
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    const auto picture = micro::preprocess(frames_[i].image, model_->config().image_size);
    ASSERT_EQ(found[i].checksum, checksum(picture)) << "frame " << i;
    const micro::Prediction prediction = model_->predict_prepared(picture);
    float largest = 0;
    for (const float logit : prediction.logits) largest = std::max(largest, std::abs(logit));
    for (std::size_t c = 0; c < prediction.logits.size(); ++c) {
      ASSERT_NEAR(std::bit_cast<float>(found[i].logits[c]), prediction.logits[c], 1e-4F * largest);
      ASSERT_NEAR(found[i].result.probabilities[c], prediction.probabilities[c] * 32768.0F, 2.0F);
    }
    ASSERT_EQ(found[i].smoothed, smoothing.add(found[i].result)) << "frame " << i;
  }
}

}  // namespace fovea::edge
