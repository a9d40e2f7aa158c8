#include "reviews/records.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <ctime>

namespace fovea::reviews {

using Json = nlohmann::ordered_json;

namespace {

Json parse_stored(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? Json(nullptr) : json;
}

}  // namespace

const char* state_name(State state) {
  switch (state) {
    case State::kPending:
      return "pending";
    case State::kAccepted:
      return "accepted";
    case State::kCorrected:
      return "corrected";
    case State::kRejected:
      return "rejected";
  }
  return "pending";
}

std::optional<State> parse_state(std::string_view name) {
  for (const State state : {State::kPending, State::kAccepted, State::kCorrected, State::kRejected}) {
    if (name == state_name(state)) return state;
  }
  return std::nullopt;
}

Json Review::to_json() const {
  Json json{{"id", id},
            {"state", state_name(state)},
            {"created", created},
            {"updated", updated},
            {"task", task},
            {"model", model},
            {"model_version", model_version},
            {"reason", reason},
            {"picture", picture},
            {"has_picture", has_picture},
            {"fields", fields},
            {"recognition", recognition}};
  for (const Event& event : history) {
    json["history"].push_back({{"at", event.at},
                               {"kind", event.kind},
                               {"who", event.who},
                               {"reason", event.reason},
                               {"fields", event.fields}});
  }
  return json;
}

sqlite::Options database_options(const QueueOptions& options) {
  constexpr std::int32_t kApplicationId = 0x666f7652;  // "fovR"
  sqlite::Options result;
  result.application_id = kApplicationId;
  result.busy_timeout = options.busy_timeout;
  result.migrations = {R"sql(
CREATE TABLE picture(digest TEXT PRIMARY KEY, file TEXT NOT NULL, bytes INTEGER NOT NULL, kept INTEGER NOT NULL);
CREATE INDEX picture_kept ON picture(kept);
CREATE TABLE review(
  id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
  task TEXT NOT NULL, model TEXT NOT NULL, model_version TEXT NOT NULL, reason TEXT NOT NULL,
  picture TEXT NOT NULL REFERENCES picture(digest), recognition TEXT NOT NULL, fields TEXT NOT NULL);
CREATE UNIQUE INDEX review_pending ON review(picture, task, model, model_version) WHERE state = 'pending';
CREATE INDEX review_by_state ON review(state, id);
CREATE INDEX review_by_picture ON review(picture);
CREATE TABLE event(
  id INTEGER PRIMARY KEY AUTOINCREMENT, review INTEGER NOT NULL REFERENCES review(id), at TEXT NOT NULL,
  kind TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL, fields TEXT);
CREATE INDEX event_by_review ON event(review, id);
CREATE TRIGGER event_unchanged BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER event_kept BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
)sql"};
  return result;
}

const char* const kSelectReview =
    "SELECT review.id, state, created, updated, task, model, model_version, reason, picture, picture.kept, "
    "recognition, fields FROM review JOIN picture ON picture.digest = review.picture ";

Review read_review(const sqlite::Statement& row) {
  Review review;
  int column = 0;
  const auto text = [&] { return std::string(row.text(column++)); };
  review.id = row.integer(column++);
  review.state = parse_state(row.text(column++)).value_or(State::kPending);
  review.created = text();
  review.updated = text();
  review.task = text();
  review.model = text();
  review.model_version = text();
  review.reason = text();
  review.picture = text();
  review.has_picture = row.integer(column++) != 0;
  review.recognition = parse_stored(row.text(column++));
  review.fields = parse_stored(row.text(column++));
  return review;
}

Result<std::vector<Event>> read_history(sqlite::Database& database, std::int64_t review) {
  std::vector<Event> history;
  FOVEA_TRY(auto select,
            database.prepare("SELECT at, kind, who, reason, fields FROM event WHERE review = ? ORDER BY id"));
  FOVEA_CHECK_OK(select.bind(review));
  for (;;) {
    FOVEA_TRY(const bool found, select.step());
    if (!found) return history;
    history.push_back({.at = std::string(select.text(0)),
                       .kind = std::string(select.text(1)),
                       .who = std::string(select.text(2)),
                       .reason = std::string(select.text(3)),
                       .fields = select.is_null(4) ? Json(nullptr) : parse_stored(select.text(4))});
  }
}

Result<void> add_event(sqlite::Database& database, std::int64_t review, const Event& event) {
  const auto fields = event.fields.is_null() ? std::nullopt : std::optional(event.fields.dump());
  return database.run("INSERT INTO event(review, at, kind, who, reason, fields) VALUES(?, ?, ?, ?, ?, ?)",
                      review, event.at, event.kind, event.who, event.reason, fields);
}

std::string timestamp() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

std::string sha256(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

const char* extension_of(std::span<const std::byte> picture) {
  const std::string_view start(reinterpret_cast<const char*>(picture.data()), picture.size());
  if (start.starts_with("\xFF\xD8\xFF")) return ".jpg";
  if (start.starts_with("\x89PNG")) return ".png";
  if (start.starts_with("RIFF") && start.substr(0, 12).ends_with("WEBP")) return ".webp";
  return ".bin";
}

}  // namespace fovea::reviews
