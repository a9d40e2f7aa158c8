#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "recognize/backend.h"
#include "recognize/recognizer.h"

namespace fovea::cli {

/// One Recognizer behind a bounded line: pictures one after the other, no conversations.
class RecognizerBackend final : public recognize::Backend {
 public:
  /// `capacity`: pictures that may wait behind the one that is read.
  RecognizerBackend(std::unique_ptr<recognize::Recognizer> recognizer, std::size_t capacity);
  ~RecognizerBackend() override;

  void recognize(recognize::Request request, RecognitionDone done) override;
  void chat(recognize::ChatRequest request, recognize::ChatListener listener) override;
  [[nodiscard]] std::vector<recognize::ModelInfo> models() const override { return {recognizer_->model()}; }
  [[nodiscard]] std::vector<std::string> task_names() const override;
  [[nodiscard]] recognize::Readiness readiness() const override { return {.ready = true, .why = {}}; }
  [[nodiscard]] nlohmann::ordered_json stats() const override;
  void drain() override;

 private:
  struct Job {
    recognize::Request request;
    RecognitionDone done;
  };

  void run();
  static void refuse(Job job, ErrorCode code, std::string message, std::optional<int> retry_after_s);

  const std::unique_ptr<recognize::Recognizer> recognizer_;
  const std::size_t capacity_;
  mutable std::mutex mutex_;  // guards the next five
  std::condition_variable changed_;
  std::deque<Job> line_;
  bool busy_ = false;
  bool draining_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace fovea::cli
