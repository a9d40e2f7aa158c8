#include "compress/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "compress/micro_cnn_quantize.h"
#include "compress/new_folder.h"
#include "models/micro_cnn/config.h"
#include "models/smolvlm/model.h"
#include "quantize/storage.h"

namespace fovea::compress {
namespace {

namespace fs = std::filesystem;
using models::smolvlm::Model;
using tensor::DType;
using tensor::NamedTensor;

constexpr const char* kEmbedding = "model.text_model.embed_tokens.weight";
constexpr float kMostInt8 = 127.0F;

/// A table by rows, one scale each.
struct RowTable {
  std::vector<std::int8_t> values;
  std::vector<float> scales;
};

RowTable quantize_rows(const nn::Embedding& table, std::size_t rows) {
  const std::size_t columns = table.columns();
  RowTable result{.values = std::vector<std::int8_t>(rows * columns), .scales = std::vector<float>(rows)};
  std::vector<float> row(columns);
  for (std::size_t i = 0; i < rows; ++i) {
    table.copy_row(i, row.data());
    float highest = 0.0F;
    for (const float value : row) highest = std::max(highest, std::abs(value));
    result.scales[i] = highest / kMostInt8;
    if (!(highest > 0.0F)) continue;
    for (std::size_t d = 0; d < columns; ++d) {
      const float integer = std::nearbyint(row[d] / highest * kMostInt8);
      result.values[i * columns + d] = static_cast<std::int8_t>(std::clamp(integer, -kMostInt8, kMostInt8));
    }
  }
  return result;
}

template <class T>
NamedTensor view(const std::string& name, DType dtype, const std::vector<std::size_t>& shape,
                 const std::vector<T>& values) {
  return {.name = name, .dtype = dtype, .shape = shape, .bytes = std::as_bytes(std::span(values))};
}

/// All tensors of the quantised checkpoint: packed matrices, the embedding by rows, and the rest as it is.
/// Largest first: their sizes are multiples of 64 bytes, so every one begins where vectors like it.
std::vector<NamedTensor> collect(const Model& model, const RowTable& embedding, std::size_t& matrices) {
  std::vector<NamedTensor> tensors;
  std::set<std::string, std::less<>> replaced = {kEmbedding};
  const auto add = [&](const nn::Linear& linear) {
    // A tied head is the embedding table: what is packed for products gets a name of its own.
    const std::string name = linear.name == kEmbedding ? "lm_head.weight" : linear.name;
    for (NamedTensor& part : quantize::packed_tensors(name, linear.weight.packed())) {
      tensors.push_back(std::move(part));
    }
    replaced.insert(name);
    ++matrices;
  };
  model.vision().for_each_linear(add);
  model.text().for_each_linear(add);
  const std::size_t rows = embedding.scales.size();
  tensors.push_back(view(kEmbedding + std::string(quantize::kInt8RowsSuffix), DType::kI8,
                         {rows, embedding.values.size() / rows}, embedding.values));
  tensors.push_back(
      view(kEmbedding + std::string(quantize::kRowScalesSuffix), DType::kF32, {rows}, embedding.scales));
  for (const auto& [name, stored] : model.checkpoint().tensors()) {
    if (replaced.contains(name)) continue;
    tensors.push_back({.name = name, .dtype = stored.dtype, .shape = stored.shape, .bytes = stored.bytes});
  }
  std::ranges::sort(tensors, [](const NamedTensor& a, const NamedTensor& b) {
    return std::pair(b.bytes.size(), a.name) < std::pair(a.bytes.size(), b.name);
  });
  return tensors;
}

/// The moments of the inputs of what becomes int4; empty where nothing does, or without pictures.
Result<quantize::Calibration> measure(const fs::path& source, const QuantizeOptions& options) {
  const auto wanted = [&](std::string_view name) {
    const bool text = name.starts_with("model.text_model.") || name.starts_with("lm_head.");
    return (text ? options.weights : options.vision_weights) == nn::Precision::kInt4;
  };
  const bool any = options.weights == nn::Precision::kInt4 || options.vision_weights == nn::Precision::kInt4;
  if (!options.calibration || !any) return quantize::Calibration{};
  return calibrate(source, *options.calibration, wanted);
}

Result<QuantizeReport> write_all(const fs::path& source, const fs::path& destination,
                                 const QuantizeOptions& options) {
  FOVEA_TRY(nlohmann::json config, read_json_file(source / "config.json"));
  if (config.is_object() && config.contains("quantization_config")) {
    return fail(ErrorCode::kUsage,
                fmt::format("{} is quantised already; quantise the checkpoint that it was made "
                            "from",
                            source.string()));
  }
  FOVEA_TRY(const auto calibration, measure(source, options));
  FOVEA_TRY(const auto model, Model::load(source, {.precision = options.weights,
                                                   .vision_precision = options.vision_weights,
                                                   .calibration = &calibration}));
  const RowTable table = quantize_rows(model->text().embedding(), model->config().text.vocab_size);
  QuantizeReport report;
  const std::vector<NamedTensor> tensors = collect(*model, table, report.matrices);
  for (const fs::path& file : model->checkpoint().files()) report.source_bytes += fs::file_size(file);

  FOVEA_CHECK_OK(tensor::write_safetensors(destination / "model.safetensors", tensors));
  report.bytes = fs::file_size(destination / "model.safetensors");
  config["quantization_config"] = {{"quant_method", "fovea"},
                                   {"version", 1},
                                   {"weights", nn::precision_name(options.weights)},
                                   {"vision_weights", nn::precision_name(options.vision_weights)}};
  FOVEA_CHECK_OK(write_file(destination / "config.json", config.dump(2) + "\n"));
  FOVEA_CHECK_OK(copy_other_files(source, destination));
  return report;
}

}  // namespace

Result<QuantizeReport> quantize_checkpoint(const fs::path& source, const fs::path& destination,
                                           const QuantizeOptions& options) {
  QuantizeReport report;
  FOVEA_CHECK_OK(write_new_folder(destination, [&](const fs::path& folder) -> Result<void> {
    FOVEA_TRY(const auto model_type, models::micro_cnn::read_model_type(source));
    const bool micro = model_type == models::micro_cnn::kModelType;
    FOVEA_TRY(report,
              micro ? quantize_micro_cnn(source, folder, options) : write_all(source, folder, options));
    return {};
  }));
  return report;
}

}  // namespace fovea::compress
