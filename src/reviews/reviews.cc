#include "reviews/reviews.h"

#include <fmt/format.h>

#include <utility>

#include "base/file.h"
#include "base/state_folder.h"
#include "reviews/records.h"
#include "text/unicode.h"

namespace fovea::reviews {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxWho = 200;
constexpr std::size_t kMaxReason = 4000;
constexpr std::size_t kMaxPage = 1000;

/// Text as it may stand in the history: valid UTF-8 of 1 to `most` bytes.
Result<void> check_text(std::string_view what, const std::string& text, std::size_t most) {
  if (text.empty() || text.size() > most) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: expected 1 to {} bytes, found {}", what, most, text.size()));
  }
  if (!text::is_valid_utf8(text)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: expected UTF-8 text, found other bytes", what));
  }
  return {};
}

Result<std::string> text_member(const Json& recognition, const char* key) {
  const auto found = recognition.find(key);
  if (!recognition.is_object() || found == recognition.end() || !found->is_string()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("the reading has no text \"{}\"", key));
  }
  return found->get<std::string>();
}

std::unexpected<Error> no_such_review(std::int64_t id) {
  return fail(ErrorCode::kNotFound, fmt::format("no review {}", id));
}

}  // namespace

struct ReviewQueue::Decision {
  State state = State::kPending;
  std::string kind;
  std::string who;
  std::string reason;
  bool supersede = false;
  std::optional<Json> fields;  ///< a correction; else what was read counts
};

std::filesystem::path ReviewQueue::default_folder() {
  return state_folder();
}

Result<std::unique_ptr<ReviewQueue>> ReviewQueue::open(const std::filesystem::path& folder,
                                                       std::shared_ptr<const tasks::TaskSet> tasks,
                                                       const QueueOptions& options) {
  FOVEA_TRY(auto database, sqlite::Database::open(folder / "reviews.db", database_options(options)));
  std::error_code error;
  std::filesystem::create_directories(folder / "reviews", error);
  if (error) {
    return fail(ErrorCode::kIo, fmt::format("cannot create the folder {}: {}", (folder / "reviews").string(),
                                            error.message()));
  }
  return std::unique_ptr<ReviewQueue>(
      new ReviewQueue(std::move(database), folder, std::move(tasks), options));
}

/// Removes pictures of decided reviews, oldest first, until another of `bytes` bytes fits.
Result<void> ReviewQueue::make_room(std::uint64_t bytes) {
  FOVEA_TRY(auto total,
            database_.prepare("SELECT count(*), coalesce(sum(bytes), 0) FROM picture WHERE kept = 1"));
  FOVEA_TRY(auto oldest,
            database_.prepare(
                "SELECT digest, file FROM picture WHERE kept = 1 AND NOT EXISTS (SELECT 1 FROM "
                "review WHERE review.picture = digest AND state = 'pending') ORDER BY rowid LIMIT 1"));
  for (;;) {
    FOVEA_CHECK_OK(total.bind());
    FOVEA_CHECK_OK(total.step());
    const auto count = static_cast<std::uint64_t>(total.integer(0));
    const auto kept = static_cast<std::uint64_t>(total.integer(1));
    total.reset();
    if (count < options_.max_pictures && kept + bytes <= options_.max_picture_bytes) return {};
    FOVEA_CHECK_OK(oldest.bind());
    FOVEA_TRY(const bool found, oldest.step());
    if (!found) {
      return fail(
          ErrorCode::kUnavailable,
          fmt::format("the review queue is full: {} pictures of {} bytes wait for a decision", count, kept));
    }
    const std::string digest(oldest.text(0));
    const auto path = picture_path(oldest.text(1));
    oldest.reset();
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error)
      return fail(ErrorCode::kIo, fmt::format("{}: cannot be removed: {}", path.string(), error.message()));
    FOVEA_CHECK_OK(database_.run("UPDATE picture SET kept = 0 WHERE digest = ?", digest));
  }
}

/// Writes the picture's file and row, in the caller's transaction, unless it is kept already.
Result<void> ReviewQueue::keep_picture(const std::string& digest, std::span<const std::byte> bytes) {
  FOVEA_TRY(auto select, database_.prepare("SELECT kept FROM picture WHERE digest = ?"));
  FOVEA_CHECK_OK(select.bind(digest));
  FOVEA_TRY(const bool known, select.step());
  const bool kept = known && select.integer(0) != 0;
  select.reset();
  const std::string file = digest + extension_of(bytes);
  std::error_code ignored;
  if (kept && std::filesystem::exists(picture_path(file), ignored)) return {};
  if (!kept) FOVEA_CHECK_OK(make_room(bytes.size()));
  FOVEA_CHECK_OK(write_file(picture_path(file), {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  return database_.run(
      "INSERT INTO picture(digest, file, bytes, kept) VALUES(?, ?, ?, 1) "
      "ON CONFLICT(digest) DO UPDATE SET kept = 1",
      digest, file, static_cast<std::int64_t>(bytes.size()));
}

Result<Added> ReviewQueue::add(const Json& recognition, std::span<const std::byte> picture,
                               const std::string& reason) {
  FOVEA_TRY(const std::string task_name, text_member(recognition, "task"));
  FOVEA_TRY(const std::string model, text_member(recognition, "model"));
  FOVEA_TRY(const std::string version, text_member(recognition, "model_version"));
  FOVEA_CHECK_OK(check_text("reason", reason, kMaxReason));
  FOVEA_TRY(const tasks::Task* task, tasks_->require(task_name, ErrorCode::kInvalidArgument));
  if (picture.empty()) return fail(ErrorCode::kInvalidArgument, "the picture is empty");
  if (!recognition.contains("fields")) return fail(ErrorCode::kInvalidArgument, "the reading has no fields");
  FOVEA_TRY(const Json fields, tasks::check_fields(*task, recognition["fields"]));
  const std::string digest = sha256(picture);
  const std::string now = timestamp();

  const std::scoped_lock lock(mutex_);
  FOVEA_TRY(auto transaction, sqlite::Transaction::begin(database_));
  FOVEA_TRY(auto waiting,
            database_.prepare("SELECT id FROM review WHERE picture = ? AND task = ? AND model = ? "
                              "AND model_version = ? AND state = 'pending'"));
  FOVEA_CHECK_OK(waiting.bind(digest, task_name, model, version));
  FOVEA_TRY(const bool waits, waiting.step());
  if (waits) {
    const Added added{.id = waiting.integer(0), .is_new = false};
    waiting.reset();
    return added;
  }
  FOVEA_CHECK_OK(keep_picture(digest, picture));
  FOVEA_CHECK_OK(database_.run(
      "INSERT INTO review(state, created, updated, task, model, model_version, reason, picture, recognition, "
      "fields) VALUES('pending', ?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      now, task_name, model, version, reason, digest,
      recognition.dump(-1, ' ', false, Json::error_handler_t::replace), fields.dump()));
  const Added added{.id = database_.last_insert_rowid(), .is_new = true};
  FOVEA_CHECK_OK(add_event(database_, added.id,
                           {.at = now, .kind = "added", .who = "", .reason = reason, .fields = fields}));
  FOVEA_CHECK_OK(transaction.commit());
  return added;
}

Result<Page> ReviewQueue::list(std::optional<State> state, std::size_t limit, std::int64_t after) {
  if (limit < 1 || limit > kMaxPage) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("limit: expected 1 to {}, found {}", kMaxPage, limit));
  }
  const std::scoped_lock lock(mutex_);
  FOVEA_TRY(auto select,
            database_.prepare(fmt::format("{} WHERE review.id > ? {} ORDER BY review.id LIMIT ?",
                                          kSelectReview, state ? "AND state = ?" : "AND ? IS NULL")));
  const auto name = state ? std::optional<std::string>(state_name(*state)) : std::nullopt;
  FOVEA_CHECK_OK(select.bind(after, name, limit + 1));
  Page page;
  for (;;) {
    FOVEA_TRY(const bool found, select.step());
    if (!found) return page;
    if (page.reviews.size() == limit) {
      page.after = page.reviews.back().id;
      return page;
    }
    page.reviews.push_back(read_review(select));
  }
}

Result<Review> ReviewQueue::read(std::int64_t id) {
  FOVEA_TRY(auto select, database_.prepare(fmt::format("{} WHERE review.id = ?", kSelectReview)));
  FOVEA_CHECK_OK(select.bind(id));
  FOVEA_TRY(const bool found, select.step());
  if (!found) return no_such_review(id);
  Review review = read_review(select);
  FOVEA_TRY(review.history, read_history(database_, id));
  return review;
}

Result<Review> ReviewQueue::get(std::int64_t id) {
  const std::scoped_lock lock(mutex_);
  return read(id);
}

Result<std::string> ReviewQueue::picture(std::int64_t id) {
  std::filesystem::path path;
  {
    const std::scoped_lock lock(mutex_);
    FOVEA_TRY(auto select, database_.prepare("SELECT file, kept FROM review JOIN picture ON digest = picture "
                                             "WHERE review.id = ?"));
    FOVEA_CHECK_OK(select.bind(id));
    FOVEA_TRY(const bool found, select.step());
    if (!found) return no_such_review(id);
    if (select.integer(1) == 0) {
      return fail(ErrorCode::kNotFound, fmt::format("the picture of review {} was removed to make room", id));
    }
    path = picture_path(select.text(0));
  }
  return read_file(path);
}

Result<Review> ReviewQueue::decide(std::int64_t id, const Decision& decision) {
  FOVEA_CHECK_OK(check_text("who", decision.who, kMaxWho));
  const std::scoped_lock lock(mutex_);
  FOVEA_TRY(auto transaction, sqlite::Transaction::begin(database_));
  FOVEA_TRY(const Review before, read(id));
  const bool reopens = decision.state == State::kPending;
  if (reopens && before.state == State::kPending) {
    return fail(ErrorCode::kConflict, fmt::format("review {} waits for a decision already", id));
  }
  if (!reopens && before.state != State::kPending && !decision.supersede) {
    const Event& last = before.history.back();
    return fail(ErrorCode::kConflict,
                fmt::format("review {} was {} by {} at {}; reopen it first, or supersede that", id,
                            state_name(before.state), last.who, last.at));
  }
  Json fields =
      before.recognition.is_object() ? before.recognition.value("fields", Json(nullptr)) : Json(nullptr);
  if (decision.fields) {
    FOVEA_TRY(const tasks::Task* task, tasks_->require(before.task, ErrorCode::kInvalidArgument));
    auto checked = tasks::check_fields(*task, *decision.fields);
    if (!checked) return with_context(checked.error(), fmt::format("not what task {} asks for", task->name));
    fields = std::move(*checked);
  }
  const Event event{.at = timestamp(),
                    .kind = decision.kind,
                    .who = decision.who,
                    .reason = decision.reason,
                    .fields = reopens || decision.state == State::kRejected ? Json(nullptr) : fields};
  const auto updated = database_.run("UPDATE review SET state = ?, updated = ?, fields = ? WHERE id = ?",
                                     state_name(decision.state), event.at, fields.dump(), id);
  if (!updated && updated.error().code == ErrorCode::kInvalidArgument) {
    return fail(ErrorCode::kConflict,
                fmt::format("review {} cannot wait again: a later review of the same picture does", id));
  }
  FOVEA_CHECK_OK(updated);
  FOVEA_CHECK_OK(add_event(database_, id, event));
  FOVEA_TRY(Review after, read(id));
  FOVEA_CHECK_OK(transaction.commit());
  return after;
}

Result<Review> ReviewQueue::accept(std::int64_t id, const Decider& decider) {
  return decide(id, {.state = State::kAccepted,
                     .kind = "accepted",
                     .who = decider.who,
                     .reason = "",
                     .supersede = decider.supersede,
                     .fields = std::nullopt});
}

Result<Review> ReviewQueue::correct(std::int64_t id, const Json& fields, const Decider& decider) {
  return decide(id, {.state = State::kCorrected,
                     .kind = "corrected",
                     .who = decider.who,
                     .reason = "",
                     .supersede = decider.supersede,
                     .fields = std::make_optional<Json>(fields)});
}

Result<Review> ReviewQueue::reject(std::int64_t id, const std::string& reason, const Decider& decider) {
  FOVEA_CHECK_OK(check_text("reason", reason, kMaxReason));
  return decide(id, {.state = State::kRejected,
                     .kind = "rejected",
                     .who = decider.who,
                     .reason = reason,
                     .supersede = decider.supersede,
                     .fields = std::nullopt});
}

Result<Review> ReviewQueue::reopen(std::int64_t id, const std::string& reason, const std::string& who) {
  FOVEA_CHECK_OK(check_text("reason", reason, kMaxReason));
  return decide(id, {.state = State::kPending,
                     .kind = "reopened",
                     .who = who,
                     .reason = reason,
                     .supersede = true,
                     .fields = std::nullopt});
}

Result<Counts> ReviewQueue::counts() {
  const std::scoped_lock lock(mutex_);
  Counts counts;
  FOVEA_TRY(auto states, database_.prepare("SELECT state, count(*) FROM review GROUP BY state"));
  FOVEA_CHECK_OK(states.bind());
  for (;;) {
    FOVEA_TRY(const bool found, states.step());
    if (!found) break;
    const auto count = static_cast<std::uint64_t>(states.integer(1));
    switch (parse_state(states.text(0)).value_or(State::kPending)) {
      case State::kPending:
        counts.pending = count;
        break;
      case State::kAccepted:
        counts.accepted = count;
        break;
      case State::kCorrected:
        counts.corrected = count;
        break;
      case State::kRejected:
        counts.rejected = count;
        break;
    }
  }
  FOVEA_TRY(auto kept,
            database_.prepare("SELECT count(*), coalesce(sum(bytes), 0) FROM picture WHERE kept = 1"));
  FOVEA_CHECK_OK(kept.bind());
  FOVEA_CHECK_OK(kept.step());
  counts.pictures = static_cast<std::uint64_t>(kept.integer(0));
  counts.picture_bytes = static_cast<std::uint64_t>(kept.integer(1));
  return counts;
}

Result<Exported> ReviewQueue::export_set(std::string_view task, const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path manifest_path = folder / "manifest.jsonl";
  if (fs::exists(manifest_path, error)) {
    return fail(ErrorCode::kConflict,
                fmt::format("{} is there already; export to a new folder", manifest_path.string()));
  }
  fs::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: {}", folder.string(), error.message()));

  const std::scoped_lock lock(mutex_);
  FOVEA_TRY(auto select,
            database_.prepare("SELECT review.id, fields, file, kept, max((SELECT max(event.id) FROM event "
                              "WHERE event.review = review.id)) FROM review JOIN picture ON "
                              "digest = picture WHERE task = ? AND state IN ('accepted', 'corrected') "
                              "GROUP BY picture ORDER BY review.id"));
  FOVEA_CHECK_OK(select.bind(task));
  Exported exported;
  std::string manifest;
  for (;;) {
    FOVEA_TRY(const bool found, select.step());
    if (!found) break;
    if (select.integer(3) == 0) {
      ++exported.without_picture;
      continue;
    }
    const fs::path source = picture_path(select.text(2));
    const std::string name = fmt::format("review-{:06}{}", select.integer(0), source.extension().string());
    FOVEA_TRY(const std::string bytes, read_file(source));
    FOVEA_CHECK_OK(write_file(folder / name, bytes));
    manifest += Json{{"image", name}, {"truth", Json::parse(select.text(1), nullptr, false)}}.dump() + "\n";
    ++exported.written;
  }
  if (exported.written == 0) {
    return fail(
        ErrorCode::kNotFound,
        fmt::format("no review of task {} was accepted or corrected and still has its picture", task));
  }
  // The manifest comes last: a folder that was not finished is no data directory.
  FOVEA_CHECK_OK(write_file(manifest_path, manifest));
  return exported;
}

}  // namespace fovea::reviews
