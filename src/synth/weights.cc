#include "synth/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "synth/random.h"

namespace fovea::synth {
namespace {

constexpr float kOutlierFactor = 40.0F;

}  // namespace

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

std::size_t TensorPlan::elements() const {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

std::vector<tensor::BFloat16> fill_tensor(const TensorPlan& plan, std::uint64_t seed) {
  Random random(seed);
  std::vector<tensor::BFloat16> values(plan.elements());
  for (auto& value : values) value = tensor::to_bfloat16(plan.mean + plan.deviation * random.normal());
  if (plan.large_rows) {
    const std::size_t columns = plan.shape[1];
    std::set<std::size_t> rows;
    while (rows.size() < kOutlierChannels) rows.insert(random.below(plan.shape[0]));
    for (const std::size_t row : rows) {
      for (std::size_t i = 0; i < columns; ++i) {
        auto& value = values[row * columns + i];
        value = tensor::to_bfloat16(kOutlierFactor * tensor::to_float(value));
      }
    }
  }
  return values;
}

}  // namespace fovea::synth
