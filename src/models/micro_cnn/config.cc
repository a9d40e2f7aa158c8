#include "models/micro_cnn/config.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/shorten.h"
#include "models/json_config.h"

namespace fovea::models::micro_cnn {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostBlocks = 8;
constexpr std::size_t kLeastImageSize = 16;
constexpr std::size_t kMostImageSize = 256;

std::unexpected<Error> bad(const std::string& where, const std::string& reason) {
  return fail(ErrorCode::kInvalidModel, where + ": " + reason);
}

/// A list of channel counts; absent or null: an empty one.
Result<std::vector<std::size_t>> parse_channels(const Json& json, const char* key, const std::string& where) {
  std::vector<std::size_t> channels;
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return channels;
  const auto complain = [&] {
    return bad(where, fmt::format("{} is {}, expected a list of at most {} whole numbers from 1 to {}", key,
                                  shorten(found->dump()), kMostBlocks + 1, kMostChannels));
  };
  if (!found->is_array() || found->size() > kMostBlocks + 1) return complain();
  for (const Json& item : *found) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() < 1 ||
        item.get<std::uint64_t>() > kMostChannels) {
      return complain();
    }
    channels.push_back(item.get<std::size_t>());
  }
  return channels;
}

/// One of the values that a key may have; absent or null: `value` stays.
template <class T>
Result<void> parse_choice(const Json& json, const char* key, T& value,
                          std::initializer_list<std::pair<const char*, T>> choices,
                          const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return {};
  std::string expected;
  for (const auto& [name, choice] : choices) {
    if (*found == name) {
      value = choice;
      return {};
    }
    expected += fmt::format("{}\"{}\"", expected.empty() ? "" : " or ", name);
  }
  return bad(where, fmt::format("{} is {}, expected {}", key, shorten(found->dump()), expected));
}

/// id2label: {"0": "basic", …} without gaps, or a list.
Result<std::vector<std::string>> parse_labels(const Json& json, const std::string& where) {
  const Json map = json.value("id2label", Json());
  if (!map.is_object() || map.empty() || map.size() > kMostClasses) {
    return bad(where, fmt::format("id2label is {}, expected an object of 1 to {} labels", shorten(map.dump()),
                                  kMostClasses));
  }
  std::vector<std::string> labels;
  std::set<std::string> known;
  for (std::size_t i = 0; i < map.size(); ++i) {
    const auto found = map.find(std::to_string(i));
    if (found == map.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) {
      return bad(where, fmt::format("id2label has no label \"{}\" of its {}", i, map.size()));
    }
    labels.push_back(found->get<std::string>());
    if (!known.insert(labels.back()).second) {
      return bad(where, fmt::format("id2label names {} twice", shorten(found->dump())));
    }
  }
  return labels;
}

Result<void> check_consistency(const Config& config, const std::string& where) {
  const std::size_t blocks = config.block_channels.size();
  if (blocks < 1 || blocks > kMostBlocks) {
    return bad(where, fmt::format("block_channels has {} blocks, expected 1 to {}", blocks, kMostBlocks));
  }
  const std::size_t hidden = config.block == Block::kInvertedResidual ? blocks : 0;
  if (config.hidden_channels.size() != hidden) {
    return bad(where, fmt::format("hidden_channels has {} counts, expected {}: one a block of inverted "
                                  "residuals, none of separable ones",
                                  config.hidden_channels.size(), hidden));
  }
  const std::size_t squeezes = config.squeeze_channels.size();
  if (squeezes != 0 && squeezes != blocks + 1) {
    return bad(where, fmt::format("squeeze_channels has {} counts, expected {}: the stem's and one a block",
                                  squeezes, blocks + 1));
  }
  // The stem quarters the side; every block halves it.
  if ((config.image_size >> (2 + blocks)) == 0) {
    return bad(where,
               fmt::format("an image_size of {} leaves nothing after {} blocks", config.image_size, blocks));
  }
  return {};
}

/// The picture is prepared in one way only; a file that says another was made for another program.
Result<void> check_preprocessor(const std::filesystem::path& path, std::size_t image_size) {
  FOVEA_TRY(const Json json, read_checkpoint_json(path));
  ConfigReader reader(json, path.string());
  std::size_t size = image_size;
  float offset = 128.0F;
  float scale = 0.0078125F;
  reader.expect("image_processor_type", "MicroCnnImageProcessor")
      .expect("crop", "center_square")
      .expect("resample", "area")
      .size("size", size, image_size, image_size)
      .number("offset", offset, 128.0, 128.0)
      .number("scale", scale, 0.0078125, 0.0078125);
  return reader.status();
}

}  // namespace

const char* weight_type_name(WeightType type) {
  switch (type) {
    case WeightType::kInt8:
      return "int8";
    case WeightType::kInt4:
      return "int4";
    case WeightType::kFloat:
      break;
  }
  return "f32";
}

Result<std::optional<std::string>> read_model_type(const std::filesystem::path& directory) {
  FOVEA_TRY(const Json json, read_checkpoint_json(directory / "config.json"));
  if (!json.is_object()) return bad((directory / "config.json").string(), "expected an object");
  const auto found = json.find("model_type");
  if (found == json.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

Result<Config> Config::load(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  const std::string where = path.string();
  FOVEA_TRY(const Json json, read_checkpoint_json(path));
  ConfigReader reader(json, where);
  FOVEA_CHECK_OK(reader.status());
  if (json.value("model_type", Json()) != kModelType) {
    return bad(where, fmt::format("model_type is {}, expected \"{}\"",
                                  shorten(json.value("model_type", Json()).dump()), kModelType));
  }
  Config config;
  std::size_t num_channels = kInputChannels;
  reader.size("image_size", config.image_size, kLeastImageSize, kMostImageSize)
      .size("num_channels", num_channels, kInputChannels, kInputChannels)
      .size("stem_channels", config.stem_channels, 1, kMostChannels)
      .number("norm_eps", config.norm_eps, 1e-12, 1.0)
      .number("temperature", config.temperature, 1.0 / 64, 64.0);
  FOVEA_CHECK_OK(reader.status());
  FOVEA_CHECK_OK(parse_choice(
      json, "block", config.block,
      {{"separable", Block::kSeparable}, {"inverted_residual", Block::kInvertedResidual}}, where));
  FOVEA_CHECK_OK(parse_choice(json, "activation", config.activation,
                              {{"relu", Activation::kRelu}, {"relu6", Activation::kRelu6}}, where));
  FOVEA_TRY(config.block_channels, parse_channels(json, "block_channels", where));
  FOVEA_TRY(config.hidden_channels, parse_channels(json, "hidden_channels", where));
  FOVEA_TRY(config.squeeze_channels, parse_channels(json, "squeeze_channels", where));
  FOVEA_TRY(config.labels, parse_labels(json, where));
  if (const auto task = json.find("task"); task != json.end() && task->is_string()) {
    config.task = task->get<std::string>();
  }
  if (reader.has("quantization_config")) {
    const Json& section = reader.object("quantization_config");
    ConfigReader quantization(section, where + ": quantization_config");
    std::size_t version = 0;
    quantization.expect("quant_method", "fovea").size("version", version, 1, 1);
    FOVEA_CHECK_OK(quantization.status());
    config.weights = WeightType::kInt8;
    FOVEA_CHECK_OK(parse_choice(section, "weights", config.weights,
                                {{"int8", WeightType::kInt8}, {"int4", WeightType::kInt4}},
                                where + ": quantization_config"));
  }
  FOVEA_CHECK_OK(reader.status());
  FOVEA_CHECK_OK(check_consistency(config, where));
  FOVEA_CHECK_OK(check_preprocessor(directory / "preprocessor_config.json", config.image_size));
  return config;
}

}  // namespace fovea::models::micro_cnn
