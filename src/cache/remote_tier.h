#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "cache/options.h"
#include "cache/stats.h"
#include "cache/store.h"
#include "cache/timer.h"

namespace fovea::cache {

/// The time until the next attempt: doubles with every failure, and varies so that many processes do not try
/// together.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds last);
  [[nodiscard]] Clock::duration next();
  void reset() { current_ = first_; }

 private:
  const Clock::duration first_;
  const Clock::duration last_;
  Clock::duration current_;
  std::minstd_rand random_;
};

/// A tier outside this process, kept at arm's length: one thread looks up and one writes, each with a
/// connection of its own, and nobody who asks waits for either beyond a deadline.
///
/// While the lookup connection is down, or a lookup hangs beyond its deadline, lookups are skipped at
/// once. The threads open their connections again by themselves, with Backoff.
class RemoteTier {
 public:
  /// Gets what was found, or null. Called once, on the caller's thread when the tier is skipped, else on a
  /// thread of the tier or the timer's.
  using Callback = std::move_only_function<void(AnswerPtr)>;
  /// Called on the writing thread whenever it has connected for the first time.
  using Connected = std::function<void(Store&)>;

  RemoteTier(Tier tier, const StoreFactory& reader, const StoreFactory& writer, const TierOptions& options,
             Timer& timer, Connected first_connected = {});
  /// Answers what waits with null, and writes what is queued if that goes fast.
  /// The timer must have been stopped.
  ~RemoteTier();
  RemoteTier(const RemoteTier&) = delete;
  RemoteTier& operator=(const RemoteTier&) = delete;

  /// Calls back before `deadline` and the tier's lookup_timeout have passed.
  void lookup(const Key& key, Clock::time_point deadline, Callback callback);

  /// Queues an answer to be stored; drops the oldest when the queue is full.
  void write(const Key& key, AnswerPtr answer);

  /// Waits until both connections were tried once; false at the deadline.
  bool wait_until_tried(Clock::time_point deadline);
  /// Waits until no write is queued or under way; false at the deadline.
  bool wait_until_written(Clock::time_point deadline);

  [[nodiscard]] TierStats stats() const;

 private:
  struct Lookup;
  struct Write {
    Entry entry;
    int attempts = 0;
  };

  void read_loop();
  void write_loop();
  bool connect(Store& store, std::unique_lock<std::mutex>& lock, bool& up, bool& tried);
  void answer(const std::shared_ptr<Lookup>& lookup);
  void probe();
  bool write_some();
  void maintain();
  void note_error(const Error& error);
  void skip_all();
  void push_write(Write write, bool at_front);  // with mutex_ held

  const Tier tier_;
  const TierOptions options_;
  Timer& timer_;
  const Connected first_connected_;
  std::unique_ptr<Store> reader_;  // used by reading_ alone
  std::unique_ptr<Store> writer_;  // used by writing_ alone

  mutable std::mutex mutex_;
  std::condition_variable reader_wakes_;
  std::condition_variable writer_wakes_;
  std::condition_variable changed_;              // for those who wait for an outcome
  std::deque<std::shared_ptr<Lookup>> lookups_;  // guarded by mutex_
  std::deque<Write> writes_;                     // guarded by mutex_
  std::size_t queued_bytes_ = 0;                 // guarded by mutex_
  bool writing_now_ = false;                     // guarded by mutex_
  bool reader_up_ = false;                       // guarded by mutex_
  bool writer_up_ = false;                       // guarded by mutex_
  bool reader_tried_ = false;                    // guarded by mutex_
  bool writer_tried_ = false;                    // guarded by mutex_
  bool writer_must_reopen_ = false;              // guarded by mutex_: the reader found the place damaged
  bool stopping_ = false;                        // guarded by mutex_
  std::optional<Clock::time_point> busy_until_;  // guarded by mutex_: deadline of the lookup that runs
  TierStats counts_;                             // guarded by mutex_
  std::thread reading_;
  std::thread writing_;
};

}  // namespace fovea::cache
