#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/result.h"
#include "cache/options.h"
#include "cache/store.h"

namespace fovea::cache {

/// What the connections of one process to one file tell each other.
class SqliteFileState {
 public:
  /// Some connection found the file of this generation damaged. One that was moved away meanwhile does not
  /// count.
  void note_damaged(std::uint64_t generation) {
    const std::lock_guard lock(mutex_);
    damaged_ = damaged_ || generation == generation_;
  }
  [[nodiscard]] bool is_damaged() const {
    const std::lock_guard lock(mutex_);
    return damaged_;
  }
  /// Counts the files that were moved away.
  [[nodiscard]] std::uint64_t generation() const {
    const std::lock_guard lock(mutex_);
    return generation_;
  }
  /// Calls `move` and, where it moved the file away, goes to the next generation.
  template <class Move>
  Result<void> replace(const Move& move) {
    const std::lock_guard lock(mutex_);
    FOVEA_CHECK_OK(move());
    ++generation_;
    damaged_ = false;
    return {};
  }

 private:
  mutable std::mutex mutex_;
  bool damaged_ = false;          // guarded by mutex_
  std::uint64_t generation_ = 0;  // guarded by mutex_
};

/// Answers in a SQLite file, a row each. A damaged file is moved aside, to FILE.damaged-TIME, and a new one
/// begun, by a connection with `repair`; the others then open that one.
std::unique_ptr<Store> make_sqlite_store(const SqliteOptions& options, const Retention& retention,
                                         std::size_t max_value_bytes, std::shared_ptr<SqliteFileState> state,
                                         bool repair);

}  // namespace fovea::cache
