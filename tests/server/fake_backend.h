#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "recognize/backend.h"

namespace fovea::testing {

/// A backend that tells what it was asked, and can be held up in the middle of an answer.
///
/// Pictures are read one after the other. Their first bytes choose what happens: "BAD" is an invalid image,
/// "CACHED" was there already, "LATE" misses its deadline, "THROW" and "DROP" are broken promises; anything
/// else is read.
///
/// Conversations are answered side by side, each by a thread of its own, with "Hello", ", ", "wörld" and "!",
/// or with JSON where that is asked for. The last text of the last message chooses otherwise: "OVERLOADED",
/// "TOO LONG" and "FAIL" are errors, "BREAK" one after two tokens, "WAIT" says one token and waits to be
/// stopped, "FLOOD" never ends, "DROP" is a broken promise.
class FakeBackend : public recognize::Backend {
 public:
  FakeBackend();
  ~FakeBackend() override;

  void recognize(recognize::Request request, RecognitionDone done) override;
  void chat(recognize::ChatRequest request, recognize::ChatListener listener) override;
  [[nodiscard]] std::vector<recognize::ModelInfo> models() const override;
  [[nodiscard]] std::vector<std::string> task_names() const override { return {"trading-card", "pizza"}; }
  [[nodiscard]] recognize::Readiness readiness() const override;
  [[nodiscard]] nlohmann::ordered_json stats() const override;
  void drain() override {}

  void set_models(std::vector<recognize::ModelInfo> models);
  /// Pictures that may wait behind the one that is read.
  void set_capacity(std::size_t capacity);

  /// From now on recognitions wait until release().
  void hold();
  void release();
  /// Returns when `count` recognitions have begun since the start.
  void wait_until_started(std::size_t count);
  /// Returns when `count` conversations have been stopped by their callers since the start.
  void wait_until_stopped(std::size_t count);
  /// The first bytes of the pictures so far, in order.
  std::vector<std::string> seen();
  /// The questions so far, without their pictures.
  std::vector<recognize::Request> questions();
  std::vector<recognize::ChatRequest> conversations();

 private:
  struct Job {
    recognize::Request request;
    RecognitionDone done;
    std::unique_ptr<std::stop_callback<std::function<void()>>> on_stop;
  };

  void read_pictures();
  void cancel(std::size_t number);
  void converse(recognize::ChatRequest& request, recognize::ChatListener& listener);

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  std::vector<recognize::ModelInfo> models_{{.id = "fake", .version = "1"}};
  std::size_t capacity_ = 64;
  bool held_ = false;
  bool busy_ = false;
  bool ended_ = false;
  std::size_t next_ = 0;
  std::optional<Job> now_;  // handed to the thread, which has not taken it yet
  std::map<std::size_t, Job> line_;
  std::size_t started_ = 0;
  std::size_t stopped_ = 0;
  std::vector<std::string> seen_;
  std::vector<recognize::Request> questions_;
  std::vector<recognize::ChatRequest> conversations_;
  std::vector<std::jthread> talkers_;
  std::jthread reader_;
};

}  // namespace fovea::testing
