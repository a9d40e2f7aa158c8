#include "models/smolvlm/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/shorten.h"
#include "models/json_config.h"

namespace fovea::models::smolvlm {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

Result<VisionConfig> parse_vision(const Json& json, const std::string& where) {
  VisionConfig vision;
  ConfigReader reader(json, where + ": vision_config");
  reader.size("hidden_size", vision.hidden_size)
      .size("intermediate_size", vision.intermediate_size)
      .size("num_hidden_layers", vision.num_hidden_layers, 1, 1024)
      .size("num_attention_heads", vision.num_attention_heads, 1, 1024)
      .size("num_channels", vision.num_channels, 3, 3)
      .size("image_size", vision.image_size, 1, 8192)
      .size("patch_size", vision.patch_size, 1, 1024)
      .number("layer_norm_eps", vision.layer_norm_eps, 0, 1)
      .expect("hidden_act", "gelu_pytorch_tanh");
  FOVEA_CHECK_OK(reader.status());
  return vision;
}

Result<float> parse_rope_theta(ConfigReader& text, const std::string& where, float theta) {
  constexpr double kLeast = 1;
  constexpr double kMost = 1e12;
  text.number("rope_theta", theta, kLeast, kMost);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    ConfigReader rope(text.object(key), fmt::format("{}: text_config.{}", where, key));
    rope.number("rope_theta", theta, kLeast, kMost).expect("rope_type", "default").expect("type", "default");
    FOVEA_CHECK_OK(rope.status());
  }
  return theta;
}

Result<TextConfig> parse_text(const Json& json, const std::string& where) {
  TextConfig text;
  ConfigReader reader(json, where + ": text_config");
  reader.size("vocab_size", text.vocab_size, 1, std::size_t{1} << 24)
      .size("hidden_size", text.hidden_size)
      .size("intermediate_size", text.intermediate_size)
      .size("num_hidden_layers", text.num_hidden_layers, 1, 1024)
      .size("num_attention_heads", text.num_attention_heads, 1, 4096)
      .size("max_position_embeddings", text.max_position_embeddings)
      .number("rms_norm_eps", text.rms_norm_eps, 0, 1)
      .flag("attention_bias", text.attention_bias)
      .flag("mlp_bias", text.mlp_bias)
      .expect("model_type", "llama")
      .expect("hidden_act", "silu");
  text.num_key_value_heads = text.num_attention_heads;
  reader.size("num_key_value_heads", text.num_key_value_heads, 1, 4096);
  text.head_dim = text.hidden_size / text.num_attention_heads;
  reader.size("head_dim", text.head_dim, 2, 4096);
  FOVEA_TRY(text.rope_theta, parse_rope_theta(reader, where, text.rope_theta));
  FOVEA_CHECK_OK(reader.status());
  return text;
}

Result<void> check_consistency(const Config& config, const std::string& where) {
  const auto bad = [&](std::string reason) {
    return fail(ErrorCode::kInvalidModel, fmt::format("{}: {}", where, std::move(reason)));
  };
  const VisionConfig& vision = config.vision;
  const TextConfig& text = config.text;
  if (vision.hidden_size % vision.num_attention_heads != 0) {
    return bad("vision_config: hidden_size is not a multiple of num_attention_heads");
  }
  if (vision.patch_size > vision.image_size)
    return bad("vision_config: patch_size is larger than image_size");
  if (vision.patches_per_side() % config.scale_factor != 0) {
    return bad(fmt::format("{} patches a side cannot be shuffled by scale_factor {}",
                           vision.patches_per_side(), config.scale_factor));
  }
  if (text.num_attention_heads % text.num_key_value_heads != 0) {
    return bad("text_config: num_attention_heads is not a multiple of num_key_value_heads");
  }
  if (text.head_dim < 2 || text.head_dim % 2 != 0) return bad("text_config: head_dim must be even");
  if (static_cast<std::size_t>(config.image_token_id) >= text.vocab_size) {
    return bad(fmt::format("image_token_id {} is outside the vocabulary of {}", config.image_token_id,
                           text.vocab_size));
  }
  return {};
}

Result<void> check_architecture(const Json& json, const std::string& where) {
  const Json& model_type = json.contains("model_type") ? json["model_type"] : Json();
  if (model_type != "idefics3" && model_type != "smolvlm") {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("{}: model_type {} is not supported; expected \"idefics3\" or \"smolvlm\"", where,
                            shorten(model_type.dump())));
  }
  // Other heads over the same body have weights of the same names.
  const Json architectures = json.value("architectures", Json());
  if (architectures.is_null() || (architectures.is_array() && architectures.empty())) return {};
  for (const Json& name : architectures) {
    if (name == "Idefics3ForConditionalGeneration" || name == "SmolVLMForConditionalGeneration") return {};
  }
  return fail(
      ErrorCode::kInvalidModel,
      fmt::format("{}: architectures {} is not supported; expected Idefics3ForConditionalGeneration or "
                  "SmolVLMForConditionalGeneration",
                  where, shorten(architectures.dump())));
}

/// The section that fovea quantize writes; another program's quantised checkpoint is not understood.
Result<std::optional<QuantizationConfig>> parse_quantization(ConfigReader& root, const std::string& where) {
  if (!root.has("quantization_config")) return std::nullopt;
  const Json& section = root.object("quantization_config");
  ConfigReader reader(section, where + ": quantization_config");
  std::size_t version = 0;
  reader.expect("quant_method", "fovea").size("version", version, 1, 1);
  FOVEA_CHECK_OK(reader.status());
  QuantizationConfig quantization;
  for (const auto& [key, precision] :
       {std::pair{"vision_weights", &quantization.vision}, std::pair{"weights", &quantization.text}}) {
    const Json value = section.value(key, Json());
    const auto parsed = value.is_string() ? nn::parse_precision(value.get<std::string>()) : std::nullopt;
    if (!parsed || (*parsed != nn::Precision::kInt8 && *parsed != nn::Precision::kInt4)) {
      return fail(ErrorCode::kInvalidModel,
                  fmt::format("{}: quantization_config.{} is {}, expected \"int8\" or \"int4\"", where, key,
                              shorten(value.dump())));
    }
    *precision = *parsed;
  }
  return quantization;
}

/// The image processor's object, wherever this checkpoint keeps it.
Result<image::TilingConfig> load_tiling(const fs::path& directory, std::size_t image_size,
                                        std::size_t tokens_per_frame) {
  const fs::path older = directory / "preprocessor_config.json";
  const fs::path newer = directory / "processor_config.json";
  Json object = Json::object();
  std::string where = older.string();
  if (fs::exists(newer)) {
    FOVEA_TRY(Json processor, read_checkpoint_json(newer));
    ConfigReader reader(processor, newer.string());
    std::size_t image_seq_len = tokens_per_frame;
    reader.size("image_seq_len", image_seq_len);
    if (image_seq_len != tokens_per_frame) {
      return fail(ErrorCode::kInvalidModel,
                  fmt::format("{}: image_seq_len is {}, but config.json makes {} tokens of a frame",
                              newer.string(), image_seq_len, tokens_per_frame));
    }
    if (reader.has("image_processor")) {
      object = reader.object("image_processor");
      where = newer.string();
    }
    FOVEA_CHECK_OK(reader.status());
  }
  if (object.empty()) {
    FOVEA_TRY(object, read_checkpoint_json(older));
  }
  auto tiling = image::TilingConfig::from_json(object);
  if (!tiling) return with_context(std::move(tiling).error(), where);
  // A processor that does not say its tile size fits the tower that it was made for.
  if (!object.contains("max_image_size")) tiling->tile_size = static_cast<int>(image_size);
  if (static_cast<std::size_t>(tiling->tile_size) != image_size) {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("{}: the image processor makes frames of {} pixels, the vision tower takes {}",
                            where, tiling->tile_size, image_size));
  }
  return *tiling;
}

/// eos_token_id as a number or a list of numbers.
Result<std::vector<std::int32_t>> parse_eos(const Json& object, const std::string& where) {
  std::vector<std::int32_t> ids;
  if (!object.is_object() || !object.contains("eos_token_id") || object["eos_token_id"].is_null()) return ids;
  const Json& value = object["eos_token_id"];
  for (const Json& id : value.is_array() ? value : Json::array({value})) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= (std::uint64_t{1} << 30)) {
      return fail(ErrorCode::kInvalidModel,
                  fmt::format("{}: eos_token_id {} is no token id", where, value.dump()));
    }
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

/// The reference's order: generation_config, then the tokenizer's eos_token, then text_config.
Result<std::vector<std::int32_t>> load_eos(const fs::path& directory, const Json& config) {
  if (const fs::path path = directory / "generation_config.json"; fs::exists(path)) {
    FOVEA_TRY(const Json generation, read_checkpoint_json(path));
    FOVEA_TRY(auto ids, parse_eos(generation, path.string()));
    if (!ids.empty()) return ids;
  }
  if (const fs::path path = directory / "tokenizer_config.json"; fs::exists(path)) {
    FOVEA_TRY(const Json tokenizer, read_checkpoint_json(path));
    // A text, or in older files an object with the text.
    Json eos = tokenizer.is_object() ? tokenizer.value("eos_token", Json()) : Json();
    if (eos.is_object()) eos = eos.value("content", Json());
    if (eos.is_string()) {
      FOVEA_TRY(const Json file, read_checkpoint_json(directory / "tokenizer.json"));
      const Json added = file.is_object() ? file.value("added_tokens", Json::array()) : Json::array();
      for (const Json& token : added) {
        if (token.is_object() && token.value("content", Json()) == eos && token.contains("id") &&
            token["id"].is_number_unsigned()) {
          return std::vector{token["id"].get<std::int32_t>()};
        }
      }
    }
  }
  FOVEA_TRY(auto ids,
            parse_eos(config.value("text_config", Json::object()), (directory / "config.json").string()));
  if (ids.empty()) {
    return fail(
        ErrorCode::kInvalidModel,
        fmt::format("{}: neither generation_config.json, tokenizer_config.json nor config.json names the "
                    "end-of-sequence token",
                    directory.string()));
  }
  return ids;
}

}  // namespace

Result<Config> Config::load(const fs::path& directory) {
  const fs::path path = directory / "config.json";
  FOVEA_TRY(const Json json, read_checkpoint_json(path));
  const std::string where = path.string();
  ConfigReader reader(json, where);
  FOVEA_CHECK_OK(reader.status());

  FOVEA_CHECK_OK(check_architecture(json, where));
  Config config;
  FOVEA_TRY(config.vision, parse_vision(reader.object("vision_config"), where));
  FOVEA_TRY(config.text, parse_text(reader.object("text_config"), where));
  reader.size("scale_factor", config.scale_factor, 1, 64)
      .token_id("image_token_id", config.image_token_id)
      .flag("tie_word_embeddings", config.tie_word_embeddings);
  FOVEA_CHECK_OK(reader.status());
  FOVEA_TRY(config.quantization, parse_quantization(reader, where));
  FOVEA_CHECK_OK(check_consistency(config, where));
  FOVEA_TRY(config.tiling, load_tiling(directory, config.vision.image_size, config.tokens_per_frame()));
  FOVEA_TRY(config.eos_token_ids, load_eos(directory, json));
  return config;
}

}  // namespace fovea::models::smolvlm
