#include "synth/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "base/file.h"
#include "synth/tokenizer.h"
#include "synth/weights.h"
#include "tensor/dtype.h"
#include "tensor/safetensors.h"

namespace fovea::synth {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

Result<void> write_weights(const std::vector<TensorPlan>& plan, std::uint64_t seed, const fs::path& path,
                           const Progress& progress) {
  std::vector<tensor::NamedTensor> header;
  std::size_t total = 0;
  for (const TensorPlan& tensor : plan) {
    header.push_back(
        {.name = tensor.name, .dtype = tensor::DType::kBF16, .shape = tensor.shape, .bytes = {}});
    total += tensor.elements() * sizeof(tensor::BFloat16);
  }
  const fs::path part = path.string() + ".part";
  std::ofstream file(part, std::ios::binary);
  const std::string head = tensor::safetensors_header(header);
  file.write(head.data(), static_cast<std::streamsize>(head.size()));
  std::size_t done = 0;
  for (std::size_t i = 0; i < plan.size() && file; ++i) {
    const auto values = fill_tensor(plan[i], seed * 1'000'003 + i);
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

Result<const Preset*> find_preset(const std::string& name) {
  for (const Preset& preset : kPresets) {
    if (name == preset.name) return &preset;
  }
  return fail(ErrorCode::kUsage,
              fmt::format("no preset \"{}\"; there is: {}", name, fmt::join(checkpoint_presets(), ", ")));
}

}  // namespace

std::vector<std::string> checkpoint_presets() {
  std::vector<std::string> names;
  names.reserve(kPresets.size());
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

Result<void> write_configuration(const CheckpointOptions& options, const fs::path& directory) {
  FOVEA_TRY(const Preset* preset, find_preset(options.preset));
  FOVEA_CHECK_OK(write_file(directory / "tokenizer.json", random_tokenizer_json(options.seed)));
  for (const auto& [name, text] : small_files(*preset)) FOVEA_CHECK_OK(write_file(directory / name, text));
  return {};
}

Result<void> write_checkpoint(const CheckpointOptions& options, const fs::path& directory,
                              const Progress& progress) {
  FOVEA_TRY(const Preset* preset, find_preset(options.preset));
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
  return write_configuration(options, directory);
}

}  // namespace fovea::synth
