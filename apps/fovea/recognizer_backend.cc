#include "recognizer_backend.h"

#include <utility>

#include "tasks/task.h"

namespace fovea::cli {

RecognizerBackend::RecognizerBackend(std::unique_ptr<recognize::Recognizer> recognizer, std::size_t capacity)
    : recognizer_(std::move(recognizer)), capacity_(capacity), thread_([this] { run(); }) {}

RecognizerBackend::~RecognizerBackend() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void RecognizerBackend::refuse(Job job, ErrorCode code, std::string message,
                               std::optional<int> retry_after_s) {
  recognize::Recognition answer;
  answer.request_id = job.request.request_id;
  answer.file = job.request.file;
  answer.task = job.request.task;
  answer.error = Error{code, std::move(message)};
  answer.retry_after_s = retry_after_s;
  job.done(std::move(answer));
}

void RecognizerBackend::recognize(recognize::Request request, RecognitionDone done) {
  Job job{.request = std::move(request), .done = std::move(done)};
  std::unique_lock lock(mutex_);
  if (draining_ || ended_) {
    lock.unlock();
    return refuse(std::move(job), ErrorCode::kUnavailable, "the server is shutting down", std::nullopt);
  }
  if (busy_ && line_.size() >= capacity_) {
    lock.unlock();
    return refuse(std::move(job), ErrorCode::kOverloaded, "as many requests as may wait are waiting",
                  std::nullopt);
  }
  line_.push_back(std::move(job));
  changed_.notify_all();
}

void RecognizerBackend::chat(recognize::ChatRequest request, recognize::ChatListener listener) {
  recognize::ChatResult result;
  result.model = std::move(request.model);
  result.error = Error{ErrorCode::kUnavailable, "conversations are not served by this program yet"};
  listener.on_done(std::move(result));
}

std::vector<std::string> RecognizerBackend::task_names() const {
  return tasks::task_names();
}

nlohmann::ordered_json RecognizerBackend::stats() const {
  const std::scoped_lock lock(mutex_);
  return {{"queue", {{"waiting", {{"normal", line_.size()}}}, {"running", busy_ ? 1 : 0}}}};
}

void RecognizerBackend::drain() {
  const std::scoped_lock lock(mutex_);
  draining_ = true;
}

void RecognizerBackend::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ended_ || !line_.empty(); });
    if (line_.empty()) return;
    Job job = std::move(line_.front());
    line_.pop_front();
    busy_ = true;
    const bool ended = ended_;
    lock.unlock();
    if (ended || job.request.stop.stop_requested()) {
      refuse(std::move(job), ErrorCode::kCancelled, "the caller went away", std::nullopt);
    } else {
      const bool late = job.request.deadline && *job.request.deadline <= std::chrono::steady_clock::now();
      if (late) {
        refuse(std::move(job), ErrorCode::kDeadline, "the deadline passed while the request waited",
               std::nullopt);
      } else {
        job.done(recognizer_->recognize(job.request));
      }
    }
    lock.lock();
    busy_ = false;
  }
}

}  // namespace fovea::cli
