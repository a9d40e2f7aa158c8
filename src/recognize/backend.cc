#include "recognize/backend.h"

namespace fovea::recognize {

Result<void> Backend::operate(const std::string& /*model*/, ModelSwitch /*what*/,
                              const std::string& /*why*/) {
  return fail(ErrorCode::kUnavailable, "one model is loaded, and no router stands in front of it");
}

}  // namespace fovea::recognize
