#include "synth/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <string_view>

#include "base/file.h"
#include "synth/random.h"
#include "synth/tokenizer.h"
#include "tensor/dtype.h"
#include "tensor/safetensors.h"

namespace fovea::synth {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Preset {
  const char* name;
  std::size_t layers, hidden, intermediate, heads, key_value_heads;
};

// The vision tower, the tile and the vocabulary are the same in both.
constexpr std::size_t kHeadDim = 64, kVocab = 49'280;
constexpr std::size_t kVisionLayers = 12, kVisionHidden = 768, kVisionIntermediate = 3072;
constexpr std::size_t kPatch = 16, kPatches = 1024, kScaleFactor = 4;
constexpr std::array<Preset, 2> kPresets{
    {{"smolvlm-500m", 32, 960, 2560, 15, 5}, {"smolvlm-256m", 30, 576, 1536, 9, 3}}};

// Outlier channels: rows of an early projection into the residual stream are enlarged, so that the channel
// stays large in every later layer and through its norms.
constexpr std::size_t kOutlierChannels = 6;
constexpr float kOutlierFactor = 40.0F;

struct TensorPlan {
  std::string name;
  std::vector<std::size_t> shape;
  float deviation;          // of its values
  float mean = 0.0F;        // 1 for the weights of norms
  bool large_rows = false;  // the rows of the outlier channels are enlarged
};

std::vector<TensorPlan> plan_tensors(const Preset& preset, bool outliers) {
  std::vector<TensorPlan> plan;
  const auto matrix = [&](const std::string& name, std::size_t out, std::size_t in) -> TensorPlan& {
    return plan.emplace_back(
        TensorPlan{.name = name, .shape = {out, in}, .deviation = 1.0F / std::sqrt(static_cast<float>(in))});
  };
  const auto norm = [&](const std::string& name, std::size_t size) {
    plan.push_back({.name = name + ".weight", .shape = {size}, .deviation = 0.1F, .mean = 1.0F});
  };
  const auto bias = [&](const std::string& name, std::size_t size) {
    plan.push_back({.name = name + ".bias", .shape = {size}, .deviation = 0.02F});
  };

  const std::size_t hidden = preset.hidden;
  const std::size_t q = preset.heads * kHeadDim;
  const std::size_t kv = preset.key_value_heads * kHeadDim;
  plan.push_back(
      {.name = "model.text_model.embed_tokens.weight", .shape = {kVocab, hidden}, .deviation = 1.0F});
  for (std::size_t i = 0; i < preset.layers; ++i) {
    const std::string layer = fmt::format("model.text_model.layers.{}.", i);
    norm(layer + "input_layernorm", hidden);
    matrix(layer + "self_attn.q_proj.weight", q, hidden);
    matrix(layer + "self_attn.k_proj.weight", kv, hidden);
    matrix(layer + "self_attn.v_proj.weight", kv, hidden);
    matrix(layer + "self_attn.o_proj.weight", hidden, q);
    norm(layer + "post_attention_layernorm", hidden);
    matrix(layer + "mlp.gate_proj.weight", preset.intermediate, hidden);
    matrix(layer + "mlp.up_proj.weight", preset.intermediate, hidden);
    matrix(layer + "mlp.down_proj.weight", hidden, preset.intermediate).large_rows = outliers && i == 1;
  }
  norm("model.text_model.norm", hidden);
  matrix("lm_head.weight", kVocab, hidden);

  const std::string vision = "model.vision_model.";
  plan.push_back({.name = vision + "embeddings.patch_embedding.weight",
                  .shape = {kVisionHidden, 3, kPatch, kPatch},
                  .deviation = 1.0F / std::sqrt(static_cast<float>(3 * kPatch * kPatch))});
  bias(vision + "embeddings.patch_embedding", kVisionHidden);
  plan.push_back({.name = vision + "embeddings.position_embedding.weight",
                  .shape = {kPatches, kVisionHidden},
                  .deviation = 0.3F});
  for (std::size_t i = 0; i < kVisionLayers; ++i) {
    const std::string layer = fmt::format("{}encoder.layers.{}.", vision, i);
    const auto biased = [&](const std::string& name, std::size_t out, std::size_t in) {
      bias(layer + name, out);
      matrix(layer + name + ".weight", out, in).large_rows = outliers && i == 1 && name == "mlp.fc2";
    };
    for (const char* name : {"layer_norm1", "layer_norm2"}) {
      bias(layer + name, kVisionHidden);
      norm(layer + name, kVisionHidden);
    }
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      biased(fmt::format("self_attn.{}", name), kVisionHidden, kVisionHidden);
    }
    biased("mlp.fc1", kVisionIntermediate, kVisionHidden);
    biased("mlp.fc2", kVisionHidden, kVisionIntermediate);
  }
  bias(vision + "post_layernorm", kVisionHidden);
  norm(vision + "post_layernorm", kVisionHidden);
  matrix("model.connector.modality_projection.proj.weight", hidden,
         kVisionHidden * kScaleFactor * kScaleFactor);
  std::ranges::sort(plan, {}, &TensorPlan::name);
  return plan;
}

std::size_t elements(const TensorPlan& plan) {
  return std::accumulate(plan.shape.begin(), plan.shape.end(), std::size_t{1}, std::multiplies<>());
}

std::vector<tensor::BFloat16> fill(const TensorPlan& plan, std::uint64_t seed) {
  Random random(seed);
  std::vector<tensor::BFloat16> values(elements(plan));
  for (auto& value : values) value = tensor::to_bfloat16(plan.mean + plan.deviation * random.normal());
  if (plan.large_rows) {
    const std::size_t columns = plan.shape[1];
    for (std::size_t channel = 0; channel < kOutlierChannels; ++channel) {
      const std::size_t row = random.below(plan.shape[0]);
      for (std::size_t i = 0; i < columns; ++i) {
        auto& value = values[row * columns + i];
        value = tensor::to_bfloat16(kOutlierFactor * tensor::to_float(value));
      }
    }
  }
  return values;
}

Result<void> write_weights(const std::vector<TensorPlan>& plan, std::uint64_t seed, const fs::path& path,
                           const Progress& progress) {
  std::vector<tensor::NamedTensor> header;
  std::size_t total = 0;
  for (const TensorPlan& tensor : plan) {
    header.push_back(
        {.name = tensor.name, .dtype = tensor::DType::kBF16, .shape = tensor.shape, .bytes = {}});
    total += elements(tensor) * sizeof(tensor::BFloat16);
  }
  const fs::path part = path.string() + ".part";
  std::ofstream file(part, std::ios::binary);
  const std::string head = tensor::safetensors_header(header);
  file.write(head.data(), static_cast<std::streamsize>(head.size()));
  std::size_t done = 0;
  for (std::size_t i = 0; i < plan.size() && file; ++i) {
    const auto values = fill(plan[i], seed * 1'000'003 + i);
    const auto bytes = std::as_bytes(std::span(values));
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    done += bytes.size();
    if (progress) progress(done, total);
  }
  file.close();
  std::error_code error;
  if (file) fs::rename(part, path, error);
  if (!file || error) {
    fs::remove(part, error);
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot write {} bytes; is the disk full?", path.string(), total));
  }
  return {};
}

Json config_json(const Preset& preset) {
  const Json text{{"architectures", {"VLlama3ForCausalLM"}},
                  {"model_type", "llama"},
                  {"hidden_size", preset.hidden},
                  {"intermediate_size", preset.intermediate},
                  {"num_hidden_layers", preset.layers},
                  {"num_attention_heads", preset.heads},
                  {"num_key_value_heads", preset.key_value_heads},
                  {"head_dim", kHeadDim},
                  {"max_position_embeddings", 8192},
                  {"rms_norm_eps", 1e-5},
                  {"rope_theta", 100000},
                  {"vocab_size", kVocab},
                  {"pad_token_id", 2},
                  {"tie_word_embeddings", false},
                  {"torch_dtype", "bfloat16"}};
  const Json vision{{"model_type", "idefics3"},
                    {"hidden_size", kVisionHidden},
                    {"intermediate_size", kVisionIntermediate},
                    {"num_hidden_layers", kVisionLayers},
                    {"num_attention_heads", kVisionHidden / 64},
                    {"image_size", 512},
                    {"patch_size", kPatch}};
  return {{"architectures", {"Idefics3ForConditionalGeneration"}},
          {"model_type", "idefics3"},
          {"image_token_id", 49190},
          {"scale_factor", kScaleFactor},
          {"text_config", text},
          {"vision_config", vision},
          {"tie_word_embeddings", false},
          {"torch_dtype", "bfloat16"}};
}

std::vector<std::pair<const char*, std::string>> small_files(const Preset& preset) {
  const Json preprocessor{{"do_convert_rgb", true},
                          {"do_image_splitting", true},
                          {"do_normalize", true},
                          {"do_pad", true},
                          {"do_rescale", true},
                          {"do_resize", true},
                          {"image_mean", {0.5, 0.5, 0.5}},
                          {"image_std", {0.5, 0.5, 0.5}},
                          {"image_processor_type", "Idefics3ImageProcessor"},
                          {"max_image_size", {{"longest_edge", 512}}},
                          {"resample", 1},
                          {"rescale_factor", 1.0 / 255},
                          {"size", {{"longest_edge", 2048}}}};
  const Json processor{{"image_seq_len", 64}, {"processor_class", "Idefics3Processor"}};
  const Json generation{{"bos_token_id", 0}, {"eos_token_id", 49279}, {"pad_token_id", 2}};
  const Json tokenizer{{"bos_token", "<|im_start|>"},
                       {"eos_token", "<end_of_utterance>"},
                       {"pad_token", "<|im_end|>"},
                       {"model_max_length", 8192},
                       {"tokenizer_class", "GPT2Tokenizer"}};
  return {{"preprocessor_config.json", preprocessor.dump(2)},
          {"processor_config.json", processor.dump(2)},
          {"generation_config.json", generation.dump(2)},
          {"tokenizer_config.json", tokenizer.dump(2)},
          {"config.json", config_json(preset).dump(2)}};
}

}  // namespace

std::vector<std::string> checkpoint_presets() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

Result<void> write_checkpoint(const CheckpointOptions& options, const fs::path& directory,
                              const Progress& progress) {
  const auto preset = std::ranges::find(kPresets, std::string_view(options.preset), &Preset::name);
  if (preset == kPresets.end()) {
    return fail(ErrorCode::kUsage, fmt::format("no preset \"{}\"; there is: {}", options.preset,
                                               fmt::join(checkpoint_presets(), ", ")));
  }
  std::error_code error;
  fs::create_directories(directory, error);
  if (!fs::is_directory(directory)) {
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot make this directory: {}", directory.string(), error.message()));
  }
  if (!fs::is_empty(directory, error)) {
    return fail(ErrorCode::kUsage, fmt::format("{}: expected a new or empty directory", directory.string()));
  }
  FOVEA_CHECK_OK(write_weights(plan_tensors(*preset, options.outliers), options.seed,
                               directory / "model.safetensors", progress));
  FOVEA_CHECK_OK(write_file(directory / "tokenizer.json", random_tokenizer_json(options.seed)));
  for (const auto& [name, text] : small_files(*preset)) FOVEA_CHECK_OK(write_file(directory / name, text));
  return {};
}

}  // namespace fovea::synth
