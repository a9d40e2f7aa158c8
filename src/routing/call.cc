#include "routing/call.h"

#include <algorithm>

namespace fovea::routing {

double Answer::sureness() const {
  if (whole) return *whole;
  std::optional<double> least;
  for (const auto& [field, value] : confidence.items()) {
    if (value.is_number()) least = std::min(least.value_or(1), value.get<double>());
  }
  return least.value_or(0);
}

Blame blame_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupportedMedia:
    case ErrorCode::kInvalidImage:
    case ErrorCode::kTooLarge:
    case ErrorCode::kInvalidJson:
      return Blame::kRequest;
    case ErrorCode::kContextExceeded:
    case ErrorCode::kOverloaded:
    case ErrorCode::kDeadline:
    case ErrorCode::kCancelled:
      return Blame::kNobody;
    case ErrorCode::kUsage:
    case ErrorCode::kNotFound:
    case ErrorCode::kConflict:
    case ErrorCode::kInvalidModel:
    case ErrorCode::kDamaged:
    case ErrorCode::kInvalidOutput:
    case ErrorCode::kModelUnavailable:
    case ErrorCode::kUnavailable:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return Blame::kModel;
  }
  return Blame::kModel;
}

// An answer of the wrong form comes again, because decoding is deterministic.
bool may_pass(ErrorCode code) {
  return code == ErrorCode::kInternal || code == ErrorCode::kIo || code == ErrorCode::kUnavailable;
}

}  // namespace fovea::routing
