#include "models/micro_cnn/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/micro_cnn/integer_checkpoint.h"
#include "models/micro_cnn/preprocess.h"
#include "tensor/safetensors.h"

namespace fovea::models::micro_cnn {
namespace {

Prediction from_float(std::vector<float> logits, float temperature) {
  Prediction prediction{.logits = std::move(logits), .probabilities = {}};
  const auto highest = std::ranges::max_element(prediction.logits);
  prediction.top = static_cast<std::size_t>(highest - prediction.logits.begin());
  float sum = 0.0F;
  for (const float logit : prediction.logits) {
    prediction.probabilities.push_back(std::exp((logit - *highest) / temperature));
    sum += prediction.probabilities.back();
  }
  for (float& probability : prediction.probabilities) probability /= sum;
  return prediction;
}

Prediction from_integers(const std::vector<std::int32_t>& logits, float temperature) {
  Prediction prediction;
  for (const std::int32_t logit : logits) {
    prediction.logits.push_back(static_cast<float>(logit) / static_cast<float>(kLogitScale));
  }
  prediction.top = static_cast<std::size_t>(std::ranges::max_element(logits) - logits.begin());
  for (const std::int32_t probability : fixed_softmax(logits, inverse_temperature(temperature))) {
    prediction.probabilities.push_back(static_cast<float>(probability) / 32768.0F);
  }
  return prediction;
}

}  // namespace

Result<std::unique_ptr<const Model>> Model::load(const std::filesystem::path& directory) {
  FOVEA_TRY(Config config, Config::load(directory));
  FOVEA_TRY(const auto checkpoint, tensor::SafeTensors::open_checkpoint(directory));
  const std::string where = checkpoint.files().front().string();
  std::uintmax_t bytes = 0;
  for (const auto& [name, stored] : checkpoint.tensors()) bytes += stored.bytes.size();
  if (config.weights == WeightType::kFloat) {
    FOVEA_TRY(auto layers, load_folded(checkpoint, config, where));
    return std::unique_ptr<const Model>(new Model(std::move(config), FloatNetwork(std::move(layers)), bytes));
  }
  FOVEA_TRY(auto network, load_integers(checkpoint, config, where));
  return std::unique_ptr<const Model>(new Model(std::move(config), std::move(network), bytes));
}

Prediction Model::predict(const image::Image& image) const {
  return predict_prepared(preprocess(image, config_.image_size));
}

Prediction Model::predict_prepared(std::span<const std::uint8_t> picture) const {
  if (const FloatNetwork* network = float_network()) {
    return from_float(network->run(picture), config_.temperature);
  }
  return from_integers(integer_network()->run(picture), config_.temperature);
}

}  // namespace fovea::models::micro_cnn
