#pragma once

#include <memory>

#include "base/result.h"
#include "recognize/reader.h"
#include "recognize/service.h"

namespace fovea::recognize {

/// Opens the checkpoint `options.model` as its config.json's model_type says. Errors: as
/// engine::LoadedModel::open.
Result<std::unique_ptr<Reader>> open_reader(const ServiceOptions& options);

}  // namespace fovea::recognize
