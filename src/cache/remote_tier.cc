#include "cache/remote_tier.h"

#include <algorithm>
#include <ranges>
#include <utility>
#include <vector>

namespace fovea::cache {
namespace {

constexpr std::size_t kBatch = 100;
/// An entry that the place refuses this often is given up: the fault may be its own.
constexpr int kMaxAttempts = 3;
/// For what is still queued when the process ends.
constexpr std::chrono::milliseconds kFarewell{1000};

}  // namespace

Backoff::Backoff(std::chrono::milliseconds first, std::chrono::milliseconds last)
    : first_(first), last_(last), current_(first), random_(std::random_device{}()) {}

Clock::duration Backoff::next() {
  const double factor = std::uniform_real_distribution<double>(0.75, 1.25)(random_);
  const auto wait = std::chrono::duration_cast<Clock::duration>(current_ * factor);
  current_ = std::min(current_ * 2, last_);
  return wait;
}

/// A lookup in flight; whoever comes first, the tier's thread or the timer, calls back.
struct RemoteTier::Lookup {
  Key key;
  Clock::time_point deadline;
  Callback callback;
  Timer::Id timer;
  bool claimed = false;  // guarded by the tier's mutex_: the callback belongs to who set it
};

RemoteTier::RemoteTier(Tier tier, const StoreFactory& reader, const StoreFactory& writer,
                       const TierOptions& options, Timer& timer, Connected first_connected)
    : tier_(tier),
      options_(options),
      timer_(timer),
      first_connected_(std::move(first_connected)),
      reader_(reader()),
      writer_(writer()),
      reading_([this] { read_loop(); }),
      writing_([this] { write_loop(); }) {}

RemoteTier::~RemoteTier() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  reader_wakes_.notify_all();
  writer_wakes_.notify_all();
  reading_.join();
  writing_.join();
}

void RemoteTier::lookup(const Key& key, Clock::time_point deadline, Callback callback) {
  const Clock::time_point now = Clock::now();
  auto lookup = std::make_shared<Lookup>();
  lookup->key = key;
  lookup->deadline = std::min(deadline, now + options_.lookup_timeout);
  lookup->callback = std::move(callback);
  bool queued = false;
  {
    const std::lock_guard lock(mutex_);
    const bool hanging = busy_until_ && *busy_until_ < now;
    queued = reader_up_ && !hanging && !stopping_ && lookups_.size() < options_.max_lookups &&
             lookup->deadline > now;
    if (queued) {
      lookup->timer = timer_.schedule(lookup->deadline, [this, weak = std::weak_ptr(lookup)] {
        const auto late = weak.lock();
        if (late == nullptr) return;
        {
          const std::lock_guard claiming(mutex_);
          if (std::exchange(late->claimed, true)) return;
          ++counts_.timeouts;
        }
        late->callback(nullptr);
      });
      lookups_.push_back(lookup);
    } else {
      ++counts_.skipped;
    }
  }
  if (queued) {
    reader_wakes_.notify_one();
  } else {
    lookup->callback(nullptr);
  }
}

void RemoteTier::write(const Key& key, AnswerPtr answer) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    push_write({{key, std::move(answer)}}, false);
  }
  writer_wakes_.notify_one();
}

void RemoteTier::push_write(Write write, bool at_front) {
  const std::size_t size = size_in_memory(*write.entry.answer);
  if (write.entry.answer->payload.size() > options_.max_value_bytes) {
    ++counts_.dropped_writes;
    return;
  }
  const auto full = [&] {
    return writes_.size() >= options_.max_queued_writes || queued_bytes_ + size > options_.max_queued_bytes;
  };
  // What failed and comes back is the oldest there is: it goes where there is no room.
  while (full() && !at_front && !writes_.empty()) {
    queued_bytes_ -= size_in_memory(*writes_.front().entry.answer);
    writes_.pop_front();
    ++counts_.dropped_writes;
  }
  if (full()) {
    ++counts_.dropped_writes;
    return;
  }
  queued_bytes_ += size;
  if (at_front) {
    writes_.push_front(std::move(write));
  } else {
    writes_.push_back(std::move(write));
  }
}

bool RemoteTier::wait_until_tried(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return reader_tried_ && writer_tried_; });
}

bool RemoteTier::wait_until_written(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return writes_.empty() && !writing_now_; });
}

TierStats RemoteTier::stats() const {
  const std::lock_guard lock(mutex_);
  TierStats stats = counts_;
  stats.tier = tier_;
  const bool hanging = busy_until_ && *busy_until_ < Clock::now();
  stats.state = reader_up_ && writer_up_ && !hanging ? TierState::kUp : TierState::kDown;
  stats.queued_writes = writes_.size();
  return stats;
}

void RemoteTier::note_error(const Error& error) {
  const std::lock_guard lock(mutex_);
  ++counts_.errors;
  counts_.last_error = error.message;
}

/// One attempt to connect, with `lock` held before and after.
bool RemoteTier::connect(Store& store, std::unique_lock<std::mutex>& lock, bool& up, bool& tried) {
  lock.unlock();
  const Result<void> opened = store.open(Clock::now() + options_.connect_timeout);
  if (!opened) {
    store.close();
    note_error(opened.error());
  }
  lock.lock();
  up = opened.has_value();
  tried = true;
  changed_.notify_all();
  return up;
}

void RemoteTier::skip_all() {
  std::vector<std::shared_ptr<Lookup>> skipped;
  {
    const std::lock_guard lock(mutex_);
    for (auto& lookup : lookups_) {
      if (!std::exchange(lookup->claimed, true)) skipped.push_back(std::move(lookup));
    }
    lookups_.clear();
    counts_.skipped += skipped.size();
  }
  for (const auto& lookup : skipped) {
    timer_.cancel(lookup->timer);
    lookup->callback(nullptr);
  }
}

void RemoteTier::read_loop() {
  Backoff backoff(options_.first_retry, options_.last_retry);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!reader_up_) {
      if (connect(*reader_, lock, reader_up_, reader_tried_)) {
        backoff.reset();
      } else {
        reader_wakes_.wait_until(lock, Clock::now() + backoff.next(), [&] { return stopping_; });
      }
      continue;
    }
    const auto wanted = [&] { return stopping_ || !lookups_.empty(); };
    if (!reader_wakes_.wait_until(lock, Clock::now() + options_.probe_interval, wanted)) {
      busy_until_ = Clock::now() + options_.lookup_timeout;
      lock.unlock();
      probe();
    } else {
      if (lookups_.empty()) continue;
      const std::shared_ptr<Lookup> lookup = std::move(lookups_.front());
      lookups_.pop_front();
      if (lookup->claimed) continue;  // its time was up while it waited
      busy_until_ = lookup->deadline;
      lock.unlock();
      answer(lookup);
    }
    lock.lock();
    busy_until_.reset();
    if (!reader_up_) {
      lock.unlock();
      reader_->close();
      skip_all();
      lock.lock();
      reader_wakes_.wait_until(lock, Clock::now() + backoff.next(), [&] { return stopping_; });
    }
  }
  lock.unlock();
  skip_all();
  reader_->close();
}

/// Asks the store. An error takes the tier down: what is in the connection now is anyone's guess.
void RemoteTier::answer(const std::shared_ptr<Lookup>& lookup) {
  Result<Found> found = reader_->get(lookup->key, lookup->deadline);
  timer_.cancel(lookup->timer);
  bool in_time = false;
  {
    const std::lock_guard lock(mutex_);
    in_time = !std::exchange(lookup->claimed, true);
    if (!found) {
      const bool late = found.error().code == ErrorCode::kCancelled;
      if (!late) ++counts_.errors;
      if (late && in_time) ++counts_.timeouts;  // else the timer has counted it
      counts_.last_error = found.error().message;
      reader_up_ = false;
      writer_must_reopen_ = writer_must_reopen_ || found.error().code == ErrorCode::kDamaged;
    } else {
      if (found->damaged) ++counts_.damaged;
      if (in_time) ++(found->answer != nullptr ? counts_.hits : counts_.misses);
    }
  }
  if (!found) writer_wakes_.notify_one();
  if (in_time) lookup->callback(found ? std::move(found->answer) : nullptr);
}

/// Between lookups: finds out that the tier went away before anyone needs it.
void RemoteTier::probe() {
  const Result<Found> found = reader_->get(Key{}, Clock::now() + options_.lookup_timeout);
  if (found) return;
  note_error(found.error());
  const std::lock_guard lock(mutex_);
  reader_up_ = false;
}

void RemoteTier::write_loop() {
  Backoff backoff(options_.first_retry, options_.last_retry);
  bool first = true;
  Clock::time_point next_maintenance = Clock::now();
  std::unique_lock lock(mutex_);
  const auto wait_for_retry = [&] {
    writer_wakes_.wait_until(lock, Clock::now() + backoff.next(), [&] { return stopping_; });
  };
  while (!stopping_) {
    if (std::exchange(writer_must_reopen_, false)) writer_up_ = false;
    if (!writer_up_) {
      if (!connect(*writer_, lock, writer_up_, writer_tried_)) {
        wait_for_retry();
      } else if (std::exchange(first, false) && first_connected_) {
        lock.unlock();
        first_connected_(*writer_);
        lock.lock();
      }
      continue;
    }
    if (writes_.empty() && Clock::now() < next_maintenance) {
      writer_wakes_.wait_until(lock, next_maintenance);
      continue;
    }
    lock.unlock();
    const bool written = write_some();
    if (written && Clock::now() >= next_maintenance) {
      maintain();
      next_maintenance = Clock::now() + options_.prune_interval;
    }
    lock.lock();
    if (writer_up_) {
      backoff.reset();
    } else {
      wait_for_retry();
    }
  }
  const Clock::time_point last = Clock::now() + kFarewell;
  while (writer_up_ && !writes_.empty() && Clock::now() < last) {
    lock.unlock();
    (void)write_some();
    lock.lock();
  }
  counts_.dropped_writes += writes_.size();
  lock.unlock();
  writer_->close();
}

/// Writes up to a batch of what is queued. False after an error: the batch is queued again, and the
/// connection must be opened again.
bool RemoteTier::write_some() {
  std::vector<Write> batch;
  std::vector<Entry> entries;
  {
    const std::lock_guard lock(mutex_);
    while (!writes_.empty() && batch.size() < kBatch) {
      queued_bytes_ -= size_in_memory(*writes_.front().entry.answer);
      entries.push_back(writes_.front().entry);
      batch.push_back(std::move(writes_.front()));
      writes_.pop_front();
    }
    writing_now_ = !batch.empty();
  }
  if (batch.empty()) return true;
  const Result<void> written = writer_->put(entries, Clock::now() + options_.write_timeout);
  {
    const std::lock_guard lock(mutex_);
    writing_now_ = false;
    if (written) {
      counts_.writes += batch.size();
    } else {
      ++counts_.errors;
      counts_.last_error = written.error().message;
      writer_up_ = false;
      for (Write& write : std::views::reverse(batch)) {
        if (++write.attempts < kMaxAttempts) {
          push_write(std::move(write), true);
        } else {
          ++counts_.dropped_writes;
        }
      }
    }
  }
  if (!written) writer_->close();
  changed_.notify_all();
  return written.has_value();
}

void RemoteTier::maintain() {
  const Clock::time_point deadline = Clock::now() + options_.write_timeout;
  const Result<void> pruned = writer_->prune(deadline);
  const Result<std::optional<Usage>> usage =
      pruned ? writer_->usage(deadline) : Result<std::optional<Usage>>(std::unexpected(pruned.error()));
  if (!usage) {
    note_error(usage.error());
    writer_->close();
  }
  const std::lock_guard lock(mutex_);
  if (!usage) {
    writer_up_ = false;
  } else if (*usage) {
    counts_.entries = (*usage)->entries;
    counts_.bytes = (*usage)->bytes;
  }
}

}  // namespace fovea::cache
