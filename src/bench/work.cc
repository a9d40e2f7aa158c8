#include "bench/work.h"

namespace fovea::bench {
namespace {

double product(std::size_t a, std::size_t b, std::size_t c = 1) {
  return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c);
}

/// The weights of one layer of the text model.
double layer_weights(const models::smolvlm::TextConfig& text) {
  const std::size_t q_width = text.num_attention_heads * text.head_dim;
  const std::size_t kv_width = text.num_key_value_heads * text.head_dim;
  return product(text.hidden_size, 2 * q_width + 2 * kv_width) +
         product(3, text.hidden_size, text.intermediate_size);
}

double weight_bytes(nn::Precision precision) {
  constexpr double kInt4Bytes = 0.5 + 1.0 / 32;  // a multiplier for every 32
  switch (precision) {
    case nn::Precision::kF32:
      return 4;
    case nn::Precision::kBF16:
      return 2;
    case nn::Precision::kInt8:
      return 1;
    case nn::Precision::kInt4:
      return kInt4Bytes;
  }
  return 0;
}

double key_value_bytes(nn::KeyValueType type, std::size_t head_dim) {
  switch (type) {
    case nn::KeyValueType::kF32:
      return 4;
    case nn::KeyValueType::kBF16:
      return 2;
    case nn::KeyValueType::kInt8:
      return 1 + 4 / static_cast<double>(head_dim);  // a scale for every head of a position
  }
  return 0;
}

}  // namespace

Work vision_work(const models::smolvlm::Config& config, nn::Precision attention) {
  const auto& vision = config.vision;
  const std::size_t patches = vision.patches();
  const std::size_t hidden = vision.hidden_size;
  const double layer = product(4, hidden, hidden) + product(2, hidden, vision.intermediate_size);
  const double embedding = product(vision.num_channels * vision.patch_size * vision.patch_size, hidden);
  // Pixel shuffle only moves values: the connector's work is that of every patch times its output.
  const double connector = product(hidden, config.text.hidden_size);
  const auto rows = static_cast<double>(patches);
  const auto layers = static_cast<double>(vision.num_hidden_layers);
  Work work{.linear = 2 * rows * (embedding + layers * layer + connector)};
  (attention == nn::Precision::kInt8 ? work.attention_int8 : work.attention) =
      2 * layers * 2 * product(patches, patches, hidden);
  return work;
}

Work prefill_work(const models::smolvlm::Config& config, std::size_t tokens) {
  const auto& text = config.text;
  const auto layers = static_cast<double>(text.num_hidden_layers);
  const auto rows = static_cast<double>(tokens);
  const double pairs = rows * (rows + 1) / 2;  // a token and each it may look at
  return {.linear = 2 * (rows * layers * layer_weights(text) + product(text.vocab_size, text.hidden_size)),
          .attention = 2 * layers * 2 * pairs * product(text.num_attention_heads, text.head_dim)};
}

double decode_bytes(const models::smolvlm::Config& config, nn::Precision precision,
                    nn::KeyValueType key_value_type, std::size_t context) {
  const auto& text = config.text;
  const auto layers = static_cast<double>(text.num_hidden_layers);
  const double weights = layers * layer_weights(text) + product(text.vocab_size, text.hidden_size);
  const double key_values = 2 * layers * product(context, text.num_key_value_heads, text.head_dim);
  return weights * weight_bytes(precision) + key_values * key_value_bytes(key_value_type, text.head_dim);
}

double least_ms(const Work& work, nn::Precision precision, const kernels::Peaks& peaks) {
  constexpr double kGigaPerMs = 1e6;
  const bool wide = precision == nn::Precision::kF32;
  const bool integer = precision == nn::Precision::kInt8 || precision == nn::Precision::kInt4;
  const double attention = wide ? peaks.f32_gflops : peaks.bf16_gflops;
  const double linear = integer ? peaks.int8_gops : attention;
  return (work.linear / linear + work.attention / attention + work.attention_int8 / peaks.int8_gops) /
         kGigaPerMs;
}

}  // namespace fovea::bench
