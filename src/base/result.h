#pragma once

#include <expected>
#include <string>
#include <utility>

namespace fovea {

/// What went wrong, in the terms a caller can act on. One place turns a code into an HTTP status or an exit
/// code (http_status, exit_code).
enum class ErrorCode {
  kInvalidArgument,   ///< the request or option itself is wrong: an empty body, an unknown task, a bad number
  kUsage,             ///< the command line or the configuration is wrong
  kNotFound,          ///< a file, model, task or job that was named does not exist
  kConflict,          ///< what was asked for was already decided, by this caller or another
  kUnsupportedMedia,  ///< the bytes are none of the image types that are read (JPEG, PNG, WebP)
  kInvalidImage,      ///< the bytes start like an image of a known type but cannot be decoded
  kTooLarge,          ///< more bytes or pixels than the limit
  kContextExceeded,   ///< prompt plus answer do not fit the model's context
  kInvalidJson,       ///< JSON that is malformed, too deep, or repeats a key
  kInvalidModel,      ///< a checkpoint that is damaged, incomplete or of an unknown architecture
  kDamaged,           ///< a file or database that this program keeps is damaged
  kInvalidOutput,     ///< the model's answer does not have the form that the task asks for
  kOverloaded,        ///< as many requests wait as may; waiting helps
  kModelUnavailable,  ///< the model that was asked for is not loaded
  kUnavailable,       ///< cannot be served now (draining, still loading); another instance may
  kDeadline,          ///< cannot be, or was not, answered before the request's deadline
  kCancelled,         ///< the caller went away
  kIo,                ///< the operating system refused a read, a write or a socket
  kInternal,          ///< a fault of this program
};

/// An error: its code and a message a person can act on (what was expected, what was found, where).
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(ErrorCode::kNotFound, "no file …");` from a function returning any Result.
[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

/// The same error with `context + ": "` before its message.
[[nodiscard]] inline std::unexpected<Error> with_context(Error error, const std::string& context) {
  error.message = context + ": " + error.message;
  return std::unexpected(std::move(error));
}

/// The stable name of a code as outside answers carry it, e.g. "invalid_image".
const char* error_name(ErrorCode code);

/// HTTP status for an error that ends a request.
int http_status(ErrorCode code);

/// Exit code of the program when this error ends a command: 1 an input failed, 2 usage, 3 the program's
/// fault.
int exit_code(ErrorCode code);

}  // namespace fovea

#define FOVEA_CONCAT_INNER(a, b) a##b
#define FOVEA_CONCAT(a, b) FOVEA_CONCAT_INNER(a, b)

/// `FOVEA_TRY(auto image, decode(bytes));` binds the value or returns the error to the caller.
#define FOVEA_TRY(declaration, expression) \
  FOVEA_TRY_INNER(FOVEA_CONCAT(try_, __LINE__), declaration, expression)
#define FOVEA_TRY_INNER(temporary, declaration, expression)             \
  auto temporary = (expression);                                        \
  if (!temporary) return std::unexpected(std::move(temporary).error()); \
  declaration = std::move(*temporary)

/// `FOVEA_CHECK_OK(write(file));` for a Result<void>: returns the error to the caller.
#define FOVEA_CHECK_OK(expression)                                                           \
  do {                                                                                       \
    if (auto check = (expression); !check) return std::unexpected(std::move(check).error()); \
  } while (false)
