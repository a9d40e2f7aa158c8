#pragma once

#include <string>

#include "edge/plan.h"
#include "models/micro_cnn/model.h"

namespace fovea::edge {

/// The files of an export, complete.
struct Sources {
  std::string api_h;    ///< PREFIX.h
  std::string code_c;   ///< PREFIX.c
  std::string model_h;  ///< PREFIX_model.h
  std::string model_c;  ///< PREFIX_model.c
};

/// Writes a network as C99. `prefix` is a C identifier in lower case.
Sources emit(const models::micro_cnn::Model& model, const Plan& plan, const std::string& prefix);

}  // namespace fovea::edge
