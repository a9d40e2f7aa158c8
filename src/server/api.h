#pragma once

#include <atomic>
#include <cstddef>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recognize/recognition.h"
#include "server/compute_queue.h"
#include "server/http.h"

namespace fovea::server {

/// What the endpoints do, as functions from plain requests to plain answers; nothing here knows of sockets.
/// A new endpoint is a row in the table in api.cc and a member function.
///
/// Thread-safe. The backend, the queue and the flag must outlive it.
class Api {
 public:
  struct Options {
    std::size_t max_body_bytes = 0;
    std::string default_task;
    std::vector<std::string> task_names;  ///< told to who names an unknown task
  };

  Api(recognize::Backend& backend, ComputeQueue& queue, const std::atomic<bool>& draining, Options options);

  /// The answer to a request that is refused whatever its body holds, so that the body need not be sent;
  /// nothing when the body is wanted.
  [[nodiscard]] std::optional<HttpResponse> refuse_early(const RequestHead& head) const;

  /// The refusal of a body that is over the limit.
  [[nodiscard]] HttpResponse body_too_large(const RequestHead& head) const;

  /// Answers a request that refuse_early() let through: calls `answer` once, at once or later on the compute
  /// thread. A ticket is returned for what waits in the queue; when it is withdrawn, `answer` is never
  /// called.
  std::optional<ComputeQueue::Ticket> handle(HttpRequest request, Answer answer);

 private:
  struct Route;
  struct Upload;
  static const std::vector<Route>& routes();
  static const Route* find_route(std::string_view method, std::string_view path);

  [[nodiscard]] HttpResponse index(const RequestHead& head) const;
  [[nodiscard]] HttpResponse healthz(const RequestHead& head) const;
  [[nodiscard]] HttpResponse readyz(const RequestHead& head) const;
  [[nodiscard]] HttpResponse models(const RequestHead& head) const;

  [[nodiscard]] Result<void> check_recognize(const RequestHead& head) const;
  [[nodiscard]] Result<Upload> read_upload(const HttpRequest& request) const;
  [[nodiscard]] Result<void> check_task(const std::string& task) const;
  [[nodiscard]] HttpResponse queue_full(std::string_view request_id) const;
  std::optional<ComputeQueue::Ticket> recognize(HttpRequest request, Answer answer);
  [[nodiscard]] HttpResponse run(const HttpRequest& request, const Upload& upload, double queue_ms);

  recognize::Backend& backend_;
  ComputeQueue& queue_;
  const std::atomic<bool>& draining_;
  const Options options_;
  const std::vector<recognize::ModelInfo> models_;
  const std::time_t created_;
};

}  // namespace fovea::server
