#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sqlite/database.h"
#include "tasks/task_set.h"

namespace fovea::reviews {

enum class State {
  kPending,    ///< waits for a decision
  kAccepted,   ///< the reading is right
  kCorrected,  ///< a person has said what is right
  kRejected,   ///< no reading is right, or the picture is useless
};

const char* state_name(State state);
std::optional<State> parse_state(std::string_view name);

/// Something that happened to a review. Events are added, never changed.
struct Event {
  std::string at;    ///< UTC, as 2026-01-31T12:00:00Z
  std::string kind;  ///< "added", "accepted", "corrected", "rejected", "reopened"
  std::string who;   ///< empty where no person did it
  std::string reason;
  nlohmann::ordered_json fields;  ///< what was decided to be right; null where nothing was
};

/// A reading that a person has to look at, and what became of it.
struct Review {
  std::int64_t id = 0;
  State state = State::kPending;
  std::string created, updated;  ///< UTC, as in Event
  std::string task, model, model_version;
  std::string reason;                  ///< why it was added
  std::string picture;                 ///< SHA-256 of the picture file, in hexadecimal
  bool has_picture = false;            ///< whether its file is still kept
  nlohmann::ordered_json recognition;  ///< the whole answer, as Recognition::to_json made it
  nlohmann::ordered_json fields;       ///< the reading, or the correction
  std::vector<Event> history;          ///< oldest first; empty in lists

  /// All of it under the names above; `history` only where there is any.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

/// Who decides, and whether over an earlier decision.
struct Decider {
  std::string who;         ///< a name for the history: 1 to 200 bytes
  bool supersede = false;  ///< decide again what was decided; both decisions stay in the history
};

struct Added {
  std::int64_t id = 0;
  bool is_new = true;  ///< false: the same picture, task and model was waiting already
};

struct Page {
  std::vector<Review> reviews;        ///< by id, without histories
  std::optional<std::int64_t> after;  ///< ask for the next page behind this one; none: this was the last
};

struct Counts {
  std::uint64_t pending = 0, accepted = 0, corrected = 0, rejected = 0;
  std::uint64_t pictures = 0, picture_bytes = 0;  ///< kept files
};

struct Exported {
  std::size_t written = 0;
  std::size_t without_picture = 0;  ///< decided, but the picture was removed to make room
};

struct QueueOptions {
  std::size_t max_pictures = 20'000;                         ///< kept files
  std::uint64_t max_picture_bytes = std::uint64_t{8} << 30;  ///< of all kept files together
  std::chrono::milliseconds busy_timeout{2000};              ///< waiting for another process
};

/// Readings that wait for a person, in SQLite (`reviews.db`), with their pictures in files beside it
/// (`reviews/SHA-256.ext`). Where pictures exceed their bounds, those of the oldest decided reviews are
/// removed (the reviews and their histories stay); where all that are left wait for a decision, add()
/// refuses.
///
/// Thread-safe: one call at a time. Several processes may have the same queue open. Errors of all functions:
/// as sqlite/database.h says, with the file's name.
class ReviewQueue {
 public:
  /// `$XDG_STATE_HOME/fovea`.
  static std::filesystem::path default_folder();

  /// Opens the queue in a folder; made empty where there is none. `tasks` are those that corrections are
  /// checked against.
  static Result<std::unique_ptr<ReviewQueue>> open(const std::filesystem::path& folder,
                                                   std::shared_ptr<const tasks::TaskSet> tasks,
                                                   const QueueOptions& options = {});

  /// Adds a reading. `recognition` is what Recognition::to_json gives: of it `task`, `model`, `model_version`
  /// and `fields` are needed. The same picture, task, model and version that already waits is one review.
  /// Errors: kInvalidArgument (a part is missing, no such task, an empty picture); kUnavailable: the queue is
  /// full of what waits; kIo.
  Result<Added> add(const nlohmann::ordered_json& recognition, std::span<const std::byte> picture,
                    const std::string& reason);

  /// Reviews in the order they came, of one state or all, at most `limit` (1 to 1000), with ids over `after`.
  Result<Page> list(std::optional<State> state, std::size_t limit, std::int64_t after = 0);

  /// One review with its history. Errors: kNotFound.
  Result<Review> get(std::int64_t id);

  /// The picture file's bytes. Errors: kNotFound: no such review, or the file was removed to make room.
  Result<std::string> picture(std::int64_t id);

  /// Decisions. Each gives the review as it then is. Errors: kNotFound; kConflict: it was decided before, and
  /// `supersede` is not set; kInvalidArgument: no `who`, no `reason`, fields that the task does not allow.
  Result<Review> accept(std::int64_t id, const Decider& decider);
  Result<Review> correct(std::int64_t id, const nlohmann::ordered_json& fields, const Decider& decider);
  Result<Review> reject(std::int64_t id, const std::string& reason, const Decider& decider);

  /// Makes a decided review wait again. Errors: as above; kConflict where it waits already, or a later review
  /// of the same picture does.
  Result<Review> reopen(std::int64_t id, const std::string& reason, const std::string& who);

  Result<Counts> counts();

  /// Writes what was decided about a task as a data directory of `fovea evaluate`: the pictures and
  /// `manifest.jsonl`. Of several decisions about one picture the latest counts; rejected reviews stay out.
  /// Errors: kConflict: the folder has a manifest already; kNotFound: nothing was accepted or corrected.
  Result<Exported> export_set(std::string_view task, const std::filesystem::path& folder);

 private:
  ReviewQueue(sqlite::Database database, std::filesystem::path folder,
              std::shared_ptr<const tasks::TaskSet> tasks, const QueueOptions& options)
      : folder_(std::move(folder)),
        tasks_(std::move(tasks)),
        options_(options),
        database_(std::move(database)) {}

  struct Decision;
  Result<Review> decide(std::int64_t id, const Decision& decision);
  Result<Review> read(std::int64_t id);
  Result<void> keep_picture(const std::string& digest, std::span<const std::byte> bytes);
  Result<void> make_room(std::uint64_t bytes);
  [[nodiscard]] std::filesystem::path picture_path(std::string_view file) const {
    return folder_ / "reviews" / file;
  }

  const std::filesystem::path folder_;
  const std::shared_ptr<const tasks::TaskSet> tasks_;
  const QueueOptions options_;
  std::mutex mutex_;
  sqlite::Database database_;  // guarded by mutex_
};

}  // namespace fovea::reviews
