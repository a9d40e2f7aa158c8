#include "base/result.h"

namespace fovea {

const char* error_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kUnsupportedMedia:
      return "unsupported_media";
    case ErrorCode::kInvalidImage:
      return "invalid_image";
    case ErrorCode::kTooLarge:
      return "too_large";
    case ErrorCode::kContextExceeded:
      return "context_exceeded";
    case ErrorCode::kInvalidJson:
      return "invalid_json";
    case ErrorCode::kInvalidModel:
      return "invalid_model";
    case ErrorCode::kDamaged:
      return "damaged";
    case ErrorCode::kInvalidOutput:
      return "invalid_output";
    case ErrorCode::kOverloaded:
      return "overloaded";
    case ErrorCode::kModelUnavailable:
      return "model-unavailable";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kDeadline:
      return "deadline_exceeded";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUsage:
    case ErrorCode::kInvalidJson:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kUnsupportedMedia:
      return 415;
    case ErrorCode::kInvalidImage:
    case ErrorCode::kContextExceeded:
    case ErrorCode::kInvalidOutput:
      return 422;
    case ErrorCode::kCancelled:
      return 499;
    case ErrorCode::kOverloaded:
      return 429;
    case ErrorCode::kModelUnavailable:
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kDeadline:
      return 504;
    case ErrorCode::kInvalidModel:
    case ErrorCode::kDamaged:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return 2;
    case ErrorCode::kInternal:
      return 3;
    default:
      return 1;
  }
}

}  // namespace fovea
