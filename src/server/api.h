#pragma once

#include <atomic>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/metrics.h"
#include "recognize/backend.h"
#include "server/answering.h"
#include "server/chat_request.h"
#include "server/gate.h"
#include "server/http.h"
#include "server/image_fetcher.h"
#include "server/review_desk.h"
#include "server/side_threads.h"

namespace fovea::server {

/// What the endpoints do, as functions from plain requests to plain answers; nothing here knows of sockets.
/// A new endpoint is a row in the table in api.cc and a member function.
///
/// Thread-safe. What the constructor is given must outlive it, and it must outlive the questions in flight.
class Api {
 public:
  struct Parts {
    recognize::Backend& backend;
    Gate& gate;
    metrics::Metrics& metrics;
    InFlight& in_flight;
    const std::atomic<bool>& draining;
    std::function<void()> drain;  ///< what POST /admin/drain does
    std::string default_task;
    std::size_t stream_capacity;  ///< bytes of a streamed answer that a slow reader may be behind
    ReviewDesk* reviews;          ///< null: there is no /reviews
    ImageFetchOptions images;     ///< which pictures are fetched by URL
  };

  explicit Api(Parts parts);

  /// The answer to a request that is refused whatever its body holds, so that the body need not be sent;
  /// nothing when the body is wanted.
  [[nodiscard]] std::optional<HttpResponse> refuse_early(const RequestHead& head) const;

  /// The refusal of a body that is over the limit.
  [[nodiscard]] HttpResponse body_too_large(const RequestHead& head) const;

  /// Answers a request that refuse_early() let through: calls `answer` once, at once or later on any thread.
  void handle(HttpRequest request, Answer answer);

  /// The pattern of the endpoint that a request is for, e.g. "/v1/models/*"; "other" when there is none.
  [[nodiscard]] static std::string_view endpoint_of(const RequestHead& head);

 private:
  struct Route;
  static const std::vector<Route>& routes();
  static const Route* find_route(std::string_view method, std::string_view path);
  static std::string allowed_methods(std::string_view path);

  // What answers at once.
  [[nodiscard]] HttpResponse index(const RequestHead& head) const;
  [[nodiscard]] HttpResponse healthz(const RequestHead& head) const;
  [[nodiscard]] HttpResponse readyz(const RequestHead& head) const;
  [[nodiscard]] HttpResponse metrics_text(const RequestHead& head) const;
  [[nodiscard]] HttpResponse stats(const RequestHead& head) const;
  [[nodiscard]] HttpResponse models(const RequestHead& head) const;
  [[nodiscard]] HttpResponse model(const RequestHead& head) const;
  [[nodiscard]] HttpResponse admin_drain(const RequestHead& head) const;
  [[nodiscard]] HttpResponse admin_breakers(const RequestHead& head) const;
  [[nodiscard]] HttpResponse admin_operate(const RequestHead& head) const;

  // What is checked of a head before its body is read, and what computes.
  [[nodiscard]] Result<void> check_recognize(const RequestHead& head) const;
  void recognize(HttpRequest request, Answering answer);
  [[nodiscard]] Result<void> check_chat(const RequestHead& head) const;
  void chat(HttpRequest request, Answering answer);
  void converse(ChatCall call, Answering answer, ByteBudget::Lease body_lease);
  [[nodiscard]] Result<void> check_reviews(const RequestHead& head) const;
  void reviews(HttpRequest request, Answering answer);

  [[nodiscard]] HttpResponse shutting_down(const RequestHead& head) const;
  [[nodiscard]] nlohmann::ordered_json model_object(const recognize::ModelInfo& model) const;

  const Parts parts_;
  const std::vector<std::string> task_names_;
  const std::time_t created_;
  const std::unique_ptr<SideThreads> reviews_thread_;  // null where there are no reviews
  const ImageFetcher fetcher_;
  const std::unique_ptr<SideThreads> fetching_;  // null where nothing is fetched
};

}  // namespace fovea::server
