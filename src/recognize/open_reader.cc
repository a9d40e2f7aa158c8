#include "recognize/open_reader.h"

#include <utility>

#include "recognize/language_reader.h"
#include "registry/locate.h"

namespace fovea::recognize {

Result<std::unique_ptr<Reader>> open_reader(const ServiceOptions& options) {
  FOVEA_TRY(auto loaded, engine::LoadedModel::open(options.model, options.generator));
  FOVEA_TRY(std::string version, registry::model_version(options.model));
  ModelInfo model{.id = registry::model_name(options.model), .version = std::move(version)};
  return std::make_unique<LanguageReader>(std::move(model), std::move(loaded), options.engine,
                                          options.limits);
}

}  // namespace fovea::recognize
