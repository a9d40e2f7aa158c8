#pragma once

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "recognize/recognition.h"

namespace fovea::testing {

/// A backend that tells what it was asked, and can be held up in the middle of a recognition. The picture's
/// first bytes choose what happens: "BAD" is an invalid image, "THROW" a broken promise; anything else is
/// read.
class FakeBackend : public recognize::Backend {
 public:
  recognize::Recognition recognize(const recognize::Request& request) override {
    std::string picture(reinterpret_cast<const char*>(request.bytes.data()), request.bytes.size());
    {
      std::unique_lock lock(mutex_);
      seen_.push_back(picture.substr(0, 64));
      ++started_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !held_; });
    }
    if (picture.starts_with("THROW")) throw std::runtime_error("a broken promise");
    recognize::Recognition answer;
    answer.request_id = request.request_id;
    answer.file = request.file;
    answer.task = request.task;
    answer.model = "fake";
    answer.model_version = "1";
    answer.timings.total_ms = 1;
    if (picture.starts_with("BAD")) {
      answer.error = Error{ErrorCode::kInvalidImage, "the picture is damaged"};
    } else {
      answer.fields["size"] = picture.size();
    }
    return answer;
  }

  [[nodiscard]] std::vector<recognize::ModelInfo> models() const override { return models_; }
  [[nodiscard]] bool has_task(const std::string& task) const override {
    return task == "trading-card" || task == "pizza";
  }

  void set_models(std::vector<recognize::ModelInfo> models) { models_ = std::move(models); }

  /// From now on recognitions wait until release().
  void hold() {
    const std::scoped_lock lock(mutex_);
    held_ = true;
  }
  void release() {
    const std::scoped_lock lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  /// Returns when `count` recognitions have begun since the start.
  void wait_until_started(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_ >= count; });
  }
  /// The first bytes of the pictures so far, in order.
  std::vector<std::string> seen() {
    const std::scoped_lock lock(mutex_);
    return seen_;
  }

 private:
  std::vector<recognize::ModelInfo> models_{{.id = "fake", .version = "1"}};
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  bool held_ = false;
  std::size_t started_ = 0;
  std::vector<std::string> seen_;
};

}  // namespace fovea::testing
