#include "recognize/open_reader.h"

#include <utility>

#include "recognize/classifier_reader.h"
#include "recognize/language_reader.h"
#include "registry/locate.h"

namespace fovea::recognize {

Result<std::unique_ptr<Reader>> open_reader(const ServiceOptions& options) {
  namespace micro_cnn = models::micro_cnn;
  FOVEA_TRY(const auto type, micro_cnn::read_model_type(options.model));
  FOVEA_TRY(std::string version, registry::model_version(options.model));
  ModelInfo model{.id = registry::model_name(options.model), .version = std::move(version)};
  if (type == micro_cnn::kModelType) {
    FOVEA_TRY(auto network, micro_cnn::Model::load(options.model));
    return std::make_unique<ClassifierReader>(std::move(model), std::move(network));
  }
  FOVEA_TRY(auto loaded, engine::LoadedModel::open(options.model, options.generator));
  return std::make_unique<LanguageReader>(std::move(model), std::move(loaded), options.engine,
                                          options.limits);
}

}  // namespace fovea::recognize
