#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "recognize/chat.h"
#include "recognize/recognition.h"

namespace fovea::recognize {

struct ModelInfo {
  std::string id;
  std::string version;  ///< digest of the weights and configuration
};

/// Whether requests can be answered now, and what is missing or limping.
struct Readiness {
  bool ready = false;
  std::string why;                      ///< when not ready, in words
  nlohmann::ordered_json details = {};  ///< e.g. the state of each cache tier; may be empty
};

/// What an operator does with one model.
enum class ModelSwitch {
  kOff,           ///< it is not asked any more
  kOn,            ///< it is again
  kCloseBreaker,  ///< its breaker forgets what it saw
};

/// Something that answers questions about pictures: the real service, or a stand-in in tests of what
/// surrounds it. Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  using RecognitionDone = std::move_only_function<void(Recognition)>;

  /// Starts to read one picture and returns at once. `done` is called exactly once, on any thread, perhaps
  /// before this returns; it must not block or throw. Every failure is in the answer, a refusal too:
  /// kOverloaded (as many wait as may, with retry_after_s), kDeadline, kUnavailable (draining), kCancelled
  /// (request.stop was requested). `request.bytes` stay valid until `done` is called.
  virtual void recognize(Request request, RecognitionDone done) = 0;

  /// Starts to answer a conversation. The calls of `listener` come one after the other, on any thread:
  /// on_delta any number of times, then on_done once. They must not block or throw.
  virtual void chat(ChatRequest request, ChatListener listener) = 0;

  [[nodiscard]] virtual std::vector<ModelInfo> models() const = 0;
  [[nodiscard]] virtual std::vector<std::string> task_names() const = 0;
  [[nodiscard]] virtual Readiness readiness() const = 0;

  /// Figures for people and programs that watch: queue, batches, caches, key/value pages, by name.
  [[nodiscard]] virtual nlohmann::ordered_json stats() const = 0;

  /// The circuit breakers by model, as routing::RouterFigures::breakers(); empty where there is no router.
  [[nodiscard]] virtual nlohmann::ordered_json breakers() const { return nlohmann::ordered_json::object(); }

  /// Errors: kNotFound for a model that is not loaded; kUnavailable where there is no router.
  virtual Result<void> operate(const std::string& model, ModelSwitch what, const std::string& why);

  /// Refuses what comes from now on with kUnavailable; what runs goes on. Idempotent.
  virtual void drain() = 0;
};

}  // namespace fovea::recognize
