#include "edge/emit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <span>
#include <string_view>

#include "edge/runtime.h"
#include "models/micro_cnn/integer_checkpoint.h"

namespace fovea::edge {
namespace {

using namespace models::micro_cnn;

constexpr std::size_t kNumbersALine = 12;

std::string replaced(std::string text, std::string_view from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string with_prefix(const std::string& text, const std::string& prefix) {
  std::string upper = prefix;
  std::ranges::transform(upper, upper.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return replaced(replaced(text, "PREFIX", upper), "prefix", prefix);
}

/// A float as C reads back to the bit.
std::string number(float value) {
  std::string text = fmt::format("{:.9g}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text + "f";
}
std::string number(std::int32_t value) {
  return fmt::format("{}", value);
}
std::string number(std::int8_t value) {
  return fmt::format("{}", value);
}
std::string number(std::uint8_t value) {
  return fmt::format("{}u", value);
}
std::string number(std::uint16_t value) {
  return fmt::format("{}u", value);
}

template <class T>
std::string array(const std::string& type, const std::string& name, std::span<const T> values,
                  const char* linkage = "static ") {
  std::string text = fmt::format("{}const {} {}[{}] = {{", linkage, type, name, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += i % kNumbersALine == 0 ? "\n  " : " ";
    text += number(values[i]) + ",";
  }
  return text + "\n};\n";
}

/// The text of a C string literal.
std::string quoted(const std::string& text) {
  std::string literal = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\' && c != '?') {
      literal += c;
    } else {
      literal += fmt::format("\\{:03o}", byte);
    }
  }
  // What stands for the export's prefix elsewhere is a word like any other here.
  return replaced(replaced(literal, "prefix", "\\160refix"), "PREFIX", "\\120REFIX") + "\"";
}

const char* kind_constant(LayerKind kind) {
  switch (kind) {
    case LayerKind::kConvolution:
      return "PREFIX_CONVOLUTION";
    case LayerKind::kDepthwise:
      return "PREFIX_DEPTHWISE";
    case LayerKind::kPointwise:
      return "PREFIX_POINTWISE";
    case LayerKind::kSqueezeExcite:
      return "PREFIX_SQUEEZE_EXCITE";
    case LayerKind::kMaxPool:
      return "PREFIX_MAX_POOL";
    case LayerKind::kAveragePool:
      return "PREFIX_AVERAGE_POOL";
    case LayerKind::kLinear:
      break;
  }
  return "PREFIX_LINEAR";
}

const char* activation_constant(Activation activation) {
  if (activation == Activation::kNone) return "PREFIX_NONE";
  return activation == Activation::kRelu ? "PREFIX_RELU" : "PREFIX_RELU6";
}

bool has(const Plan& plan, LayerKind kind) {
  return std::ranges::any_of(plan.steps, [&](const Step& step) { return step.layer.kind == kind; });
}

constexpr const char* kIntegerTypes = R"(
/* A product's integers; the sum at output o becomes sum x multiplier[o] x 2^-shift[o]. */
typedef struct {
  const {weight}* weights; /* [outputs][fan_in]{packed} */
  const int32_t* bias;
  const int32_t* multiplier;
  const uint8_t* shift;
  uint16_t outputs;
  uint16_t fan_in;
} prefix_product;

typedef struct {
  uint32_t in_offset; /* bytes from the arena's beginning */
  uint32_t out_offset;
  int32_t gate_multiplier;
  uint16_t in_size; /* pixels a side */
  uint16_t out_size;
  uint16_t in_channels;
  uint16_t out_channels;
  uint8_t kind;
  uint8_t stride;
  uint8_t pool;    /* a 2x2 max pool is part of it */
  uint8_t product; /* index of its first */
  uint8_t signed_in;
  uint8_t signed_out;
  uint8_t gate_shift;
} prefix_layer;

extern const uint16_t prefix_exp_eighths[128];
extern const uint16_t prefix_exp_fine[128];
#if PREFIX_HAS_SQUEEZE
extern const uint16_t prefix_gates[256];
#endif
)";

constexpr const char* kFloatTypes = R"(
typedef struct {
  const float* weights; /* [outputs][fan_in] */
  const float* bias;
  uint16_t outputs;
  uint16_t fan_in;
} prefix_product;

typedef struct {
  uint32_t in_offset; /* floats from the arena's beginning */
  uint32_t out_offset;
  uint16_t in_size; /* pixels a side */
  uint16_t out_size;
  uint16_t in_channels;
  uint16_t out_channels;
  uint8_t kind;
  uint8_t stride;
  uint8_t pool;    /* a 2x2 max pool is part of it */
  uint8_t product; /* index of its first */
  uint8_t activation;
} prefix_layer;
)";

std::string model_header(const Model& model, const Plan& plan) {
  const Config& config = model.config();
  const bool integers = plan.weights != WeightType::kFloat;
  const bool int4 = plan.weights == WeightType::kInt4;
  std::string text = "/* The network's figures and tables. Written by fovea export-edge. */\n";
  text += "#ifndef PREFIX_MODEL_H\n#define PREFIX_MODEL_H\n\n#include <stdint.h>\n\n";
  const auto define = [&](const char* name, const std::string& value) {
    text += fmt::format("#define PREFIX_{} {}\n", name, value);
  };
  define("FLOAT", integers ? "0" : "1");
  define("INT4", int4 ? "1" : "0");
  define("HAS_SQUEEZE", has(plan, LayerKind::kSqueezeExcite) ? "1" : "0");
  define("HAS_POOL", has(plan, LayerKind::kMaxPool) ? "1" : "0");
  define("IMAGE_SIZE", fmt::format("{}u", config.image_size));
  define("CLASSES", fmt::format("{}u", config.labels.size()));
  define("LAYERS", fmt::format("{}u", plan.steps.size()));
  define("ARENA_BYTES", fmt::format("{}u", plan.arena_bytes));
  define("MOST_CHANNELS", fmt::format("{}u", plan.most_channels));
  if (integers) {
    define("MOST_FAN_IN", fmt::format("{}u", plan.most_fan_in));
    define("MOST_OUTPUTS", fmt::format("{}u", plan.most_outputs));
  }
  if (int4) define("UNPACKED_BYTES", fmt::format("{}u", plan.unpacked_bytes));
  define("PICTURE_FLIP", integers ? "0x80u /* p - 128 as a signed byte */" : "0u");
  define("INVERSE_TEMPERATURE",
         integers ? fmt::format("{}u /* in 2^-16 */", inverse_temperature(config.temperature))
                  : number(1.0F / config.temperature));
  text += "\nenum {\n";
  for (const LayerKind kind : {LayerKind::kConvolution, LayerKind::kDepthwise, LayerKind::kPointwise,
                               LayerKind::kSqueezeExcite, LayerKind::kMaxPool, LayerKind::kAveragePool}) {
    text += fmt::format("  {},\n", kind_constant(kind));
  }
  text += "  PREFIX_LINEAR\n};\n";
  if (!integers) text += "\nenum { PREFIX_NONE, PREFIX_RELU, PREFIX_RELU6 };\n";
  text += integers ? replaced(replaced(kIntegerTypes, "{weight}", int4 ? "uint8_t" : "int8_t"), "{packed}",
                              int4 ? ", two a byte, the first in the low half" : "")
                   : kFloatTypes;
  text += "\nextern const prefix_product prefix_products[];\n";
  text += "extern const prefix_layer prefix_network[PREFIX_LAYERS];\n";
  text += "extern const char* const prefix_labels[PREFIX_CLASSES];\n\n#endif\n";
  return text;
}

/// One entry of prefix_products; its arrays go to `arrays`.
std::string integer_product(const IntegerProduct& product, bool int4, std::size_t index,
                            std::string& arrays) {
  std::vector<std::int32_t> multipliers;
  std::vector<std::uint8_t> shifts;
  for (const Rescale& factor : product.rescale) {
    multipliers.push_back(factor.multiplier);
    shifts.push_back(factor.shift);
  }
  if (int4) {
    const auto packed = pack_int4(product.weights, product.outputs, product.fan_in);
    arrays += array<std::uint8_t>("uint8_t", fmt::format("weights_{}", index), packed);
  } else {
    arrays += array<std::int8_t>("int8_t", fmt::format("weights_{}", index), product.weights);
  }
  arrays += array<std::int32_t>("int32_t", fmt::format("bias_{}", index), product.bias);
  arrays += array<std::int32_t>("int32_t", fmt::format("multiplier_{}", index), multipliers);
  arrays += array<std::uint8_t>("uint8_t", fmt::format("shift_{}", index), shifts);
  return fmt::format("  {{weights_{0}, bias_{0}, multiplier_{0}, shift_{0}, {1}u, {2}u}},\n", index,
                     product.outputs, product.fan_in);
}

std::string float_product(const FloatProduct& product, std::size_t index, std::string& arrays) {
  arrays += array<float>("float", fmt::format("weights_{}", index), product.weights);
  arrays += array<float>("float", fmt::format("bias_{}", index), product.bias);
  return fmt::format("  {{weights_{0}, bias_{0}, {1}u, {2}u}},\n", index, product.outputs, product.fan_in);
}

std::string layer_entry(const Step& step, const IntegerLayer* integers) {
  const Layer& layer = step.layer;
  if (integers != nullptr) {
    return fmt::format("  {{{}u, {}u, {}, {}u, {}u, {}u, {}u, {}, {}u, {}u, {}u, {}u, {}u, {}u}}, /* {} */\n",
                       step.in_offset, step.out_offset, integers->gate.multiplier, layer.in_size,
                       step.out_size, layer.in_channels, layer.out_channels, kind_constant(layer.kind),
                       layer.stride, step.pool ? 1 : 0, step.product, integers->signed_input ? 1 : 0,
                       integers->signed_output ? 1 : 0, integers->gate.shift, layer.name);
  }
  return fmt::format("  {{{}u, {}u, {}u, {}u, {}u, {}u, {}, {}u, {}u, {}u, {}}}, /* {} */\n",
                     step.in_offset / 4, step.out_offset / 4, layer.in_size, step.out_size, layer.in_channels,
                     layer.out_channels, kind_constant(layer.kind), layer.stride, step.pool ? 1 : 0,
                     step.product, activation_constant(layer.activation), layer.name);
}

/// The layer of that name: the plan leaves some pools out.
template <class Network>
const auto& find_layer(const Network& network, const std::string& name) {
  return *std::ranges::find_if(network.layers(), [&](const auto& entry) { return entry.layer.name == name; });
}

std::string model_source(const Model& model, const Plan& plan) {
  const IntegerNetwork* integers = model.integer_network();
  const bool int4 = plan.weights == WeightType::kInt4;
  std::string arrays;
  std::string products;
  std::string network;
  std::size_t index = 0;
  for (const Step& step : plan.steps) {
    const bool squeeze = step.layer.kind == LayerKind::kSqueezeExcite;
    if (integers != nullptr) {
      const IntegerLayer& layer = find_layer(*integers, step.layer.name);
      if (step.layer.has_weights()) products += integer_product(layer.product, int4, index++, arrays);
      if (squeeze) products += integer_product(layer.excite, int4, index++, arrays);
      network += layer_entry(step, &layer);
    } else {
      const FoldedLayer& layer = find_layer(*model.float_network(), step.layer.name);
      if (step.layer.has_weights()) products += float_product(layer.product, index++, arrays);
      if (squeeze) products += float_product(layer.excite, index++, arrays);
      network += layer_entry(step, nullptr);
    }
  }
  std::string text =
      "/* The network itself. Written by fovea export-edge. */\n#include \"prefix_model.h\"\n\n";
  text += arrays;
  text += fmt::format("\nconst prefix_product prefix_products[{}] = {{\n{}}};\n", index, products);
  text += fmt::format("\nconst prefix_layer prefix_network[PREFIX_LAYERS] = {{\n{}}};\n", network);
  text += "\nconst char* const prefix_labels[PREFIX_CLASSES] = {\n";
  for (const std::string& label : model.config().labels) text += "  " + quoted(label) + ",\n";
  text += "};\n";
  if (integers != nullptr) {
    text += "\n/* exp(-i / 8) and exp(-i / 1024) in 2^-15 */\n";
    text += array<std::uint16_t>("uint16_t", "prefix_exp_eighths", exp_eighths(), "");
    text += array<std::uint16_t>("uint16_t", "prefix_exp_fine", exp_fine(), "");
    if (has(plan, LayerKind::kSqueezeExcite)) {
      text += "\n/* sigmoid((i - 128) / 16) in 2^-15 */\n";
      text += array<std::uint16_t>("uint16_t", "prefix_gates", gate_table(), "");
    }
  }
  return text;
}

}  // namespace

Sources emit(const Model& model, const Plan& plan, const std::string& prefix) {
  const char* own = plan.weights == WeightType::kFloat ? runtime::k_float_c : runtime::k_integer_c;
  return {.api_h = with_prefix(runtime::k_api_h, prefix),
          .code_c = with_prefix(std::string(runtime::k_common_c) + own, prefix),
          .model_h = with_prefix(model_header(model, plan), prefix),
          .model_c = with_prefix(model_source(model, plan), prefix)};
}

}  // namespace fovea::edge
