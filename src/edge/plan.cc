#include "edge/plan.h"

#include <algorithm>

namespace fovea::edge {
namespace {

using models::micro_cnn::Layer;
using models::micro_cnn::LayerKind;
using models::micro_cnn::WeightType;

// The runtime's code and its stack, rounded up from what gcc-arm-none-eabi 12.2 makes of it for a Cortex-M0+
// with -O2, compiler support routines included; tests/edge/device_test.cc measures both and holds them below
// these.
constexpr std::size_t kIntegerCodeBytes = 6144;
constexpr std::size_t kFloatCodeBytes = 10240;
constexpr std::size_t kStackBytes = 1024;

// sizeof prefix_layer and prefix_product with pointers of 32 bits.
constexpr std::size_t kIntegerLayerBytes = 28;
constexpr std::size_t kIntegerProductBytes = 20;
constexpr std::size_t kFloatLayerBytes = 24;
constexpr std::size_t kFloatProductBytes = 12;
constexpr std::size_t kGateTableBytes = 512;
constexpr std::size_t kExpTableBytes = 512;

std::size_t rounded_up(std::size_t bytes) {
  return (bytes + 3) / 4 * 4;
}

bool is_product(LayerKind kind) {
  return kind == LayerKind::kConvolution || kind == LayerKind::kDepthwise || kind == LayerKind::kPointwise;
}

/// Weights, biases and factors of one product.
std::size_t product_bytes(std::size_t outputs, std::size_t fan_in, WeightType type) {
  switch (type) {
    case WeightType::kFloat:
      return 4 * outputs * (fan_in + 1);
    case WeightType::kInt4:
      return outputs * ((fan_in + 1) / 2 + 9);
    case WeightType::kInt8:
      break;
  }
  return outputs * (fan_in + 9);  // a bias and a multiplier of four bytes and a shift of one
}

/// Fills in where a step's input and output lie: products read at one end of the arena and write at the
/// other, everything else works in place.
void place(Plan& plan) {
  // What a pool in place leaves free beside its output at the far end is not used: the end stays where it
  // was.
  std::size_t far = 0;  // bytes kept at the far end, 0 while the current activations lie at the beginning
  for (const Step& step : plan.steps) {
    const std::size_t in = far > 0 ? far : rounded_up(step.in_bytes);
    plan.arena_bytes = std::max(plan.arena_bytes, in + rounded_up(step.out_bytes));
    if (step.out_bytes > 0) far = far > 0 ? 0 : rounded_up(step.out_bytes);
  }
  std::size_t at = 0;
  for (Step& step : plan.steps) {
    step.in_offset = at;
    step.out_offset = at;
    if (step.out_bytes == 0) continue;
    step.out_offset = at == 0 ? plan.arena_bytes - rounded_up(step.out_bytes) : 0;
    at = step.out_offset;
  }
}

void count_bytes(Plan& plan, const models::micro_cnn::Config& config) {
  const bool integers = plan.weights != WeightType::kFloat;
  for (Step& step : plan.steps) {
    const Layer& layer = step.layer;
    step.product = plan.products;
    if (!layer.has_weights()) continue;
    const bool squeeze = layer.kind == LayerKind::kSqueezeExcite;
    const std::size_t outputs = squeeze ? layer.squeeze_channels : layer.out_channels;
    if (step.out_bytes > 0) {
      plan.most_outputs = std::max(plan.most_outputs, outputs);
      if (layer.kind != LayerKind::kDepthwise) plan.most_fan_in = std::max(plan.most_fan_in, layer.fan_in());
    }
    plan.unpacked_bytes = std::max(plan.unpacked_bytes, rounded_up(outputs * layer.fan_in()));
    step.weight_bytes = product_bytes(outputs, layer.fan_in(), plan.weights);
    if (squeeze) {
      step.weight_bytes += product_bytes(layer.in_channels, layer.squeeze_channels, plan.weights);
    }
    plan.products += squeeze ? 2 : 1;
    plan.weight_bytes += step.weight_bytes;
  }
  plan.table_bytes = (integers ? kIntegerLayerBytes : kFloatLayerBytes) * plan.steps.size() +
                     (integers ? kIntegerProductBytes : kFloatProductBytes) * plan.products;
  if (integers) plan.table_bytes += kExpTableBytes + (config.squeeze_channels.empty() ? 0 : kGateTableBytes);
  for (const std::string& label : config.labels) plan.table_bytes += 4 + rounded_up(label.size() + 1);
  plan.code_bytes = integers ? kIntegerCodeBytes : kFloatCodeBytes;
  plan.state_bytes = plan.arena_bytes + 4 * (2 * plan.most_channels + config.labels.size());
  if (integers) plan.state_bytes += 4 * (plan.most_fan_in + plan.most_outputs);
  if (plan.weights != WeightType::kInt4) plan.unpacked_bytes = 0;
  plan.state_bytes += plan.unpacked_bytes;
  plan.stack_bytes = kStackBytes;
}

}  // namespace

Plan make_plan(const models::micro_cnn::Model& model) {
  Plan plan;
  plan.weights = model.config().weights;
  const std::size_t unit = plan.weights == WeightType::kFloat ? 4 : 1;
  const std::vector<Layer> layers = model.layers();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Step step{.layer = layers[i], .out_size = layers[i].out_size};
    const bool pools = step.layer.kind != LayerKind::kDepthwise && is_product(step.layer.kind) &&
                       layers[i + 1].kind == LayerKind::kMaxPool;
    if (pools) {
      step.pool = true;
      step.out_size = layers[++i].out_size;
    }
    // The picture is bytes for every network; means and logits are vectors of their own.
    const bool picture = plan.steps.empty();
    if (step.layer.kind != LayerKind::kLinear) {
      step.in_bytes = step.layer.in_elements() * (picture ? 1 : unit);
    }
    if (is_product(step.layer.kind)) {
      step.out_bytes = step.out_size * step.out_size * step.layer.out_channels * unit;
    }
    const bool vectors =
        step.layer.kind == LayerKind::kAveragePool || step.layer.kind == LayerKind::kSqueezeExcite;
    if (vectors) {
      plan.most_channels =
          std::max({plan.most_channels, step.layer.in_channels, step.layer.squeeze_channels});
    }
    plan.steps.push_back(std::move(step));
  }
  place(plan);
  count_bytes(plan, model.config());
  return plan;
}

}  // namespace fovea::edge
