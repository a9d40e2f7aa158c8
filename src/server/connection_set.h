#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace fovea::server {

/// The open connections: how many, which of them wait for a request and since when, which work on one.
/// Thread-safe.
class ConnectionSet {
 public:
  /// What the set needs of a connection. close() is called on any thread, without the set's lock.
  class Member {
   public:
    virtual ~Member() = default;
    virtual void close() = 0;
  };

  explicit ConnectionSet(std::size_t capacity) : capacity_(capacity) {}

  /// Adds a connection, waiting. When the set was full, the member that has waited longest for a request is
  /// closed for it. False, and not added: full, and every member works on a request.
  bool add(const std::shared_ptr<Member>& member);
  void remove(const Member& member);

  /// The member works on a request from now on. False: it was chosen to be closed, and must not begin.
  bool set_busy(const Member& member);
  void set_waiting(const Member& member);

  /// Calls `done` once no member works on a request: now, or on the thread that makes it so.
  void when_quiet(std::function<void()> done);

  /// Closes the member that has waited longest for a request, if there is one.
  void close_longest_waiting();

  /// Closes every member, also those that work on a request.
  void close_all();

 private:
  enum class Phase { kWaiting, kBusy, kClosing };
  using Waiting = std::list<const Member*>;
  struct State {
    std::weak_ptr<Member> member;
    Phase phase = Phase::kWaiting;
    Waiting::iterator place;  ///< in waiting_, while kWaiting
  };

  // Both with mutex_ held.
  std::shared_ptr<Member> take_longest_waiting();
  std::function<void()> take_quiet_callback();

  const std::size_t capacity_;
  std::mutex mutex_;  // guards all below
  std::unordered_map<const Member*, State> members_;
  Waiting waiting_;  // longest first
  std::size_t busy_ = 0;
  std::function<void()> quiet_;
};

}  // namespace fovea::server
