#include "server/connection_set.h"

#include <utility>
#include <vector>

namespace fovea::server {

bool ConnectionSet::add(const std::shared_ptr<Member>& member) {
  std::shared_ptr<Member> closed;
  {
    const std::scoped_lock lock(mutex_);
    // Those that are closing stay in members_ until they have noticed, so they are not counted by its size.
    if (busy_ + waiting_.size() >= capacity_) {
      closed = take_longest_waiting();
      if (!closed) return false;
    }
    members_[member.get()] = {
        .member = member, .phase = Phase::kWaiting, .place = waiting_.insert(waiting_.end(), member.get())};
  }
  if (closed) closed->close();
  return true;
}

void ConnectionSet::remove(const Member& member) {
  std::function<void()> quiet;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = members_.find(&member);
    if (found == members_.end()) return;
    if (found->second.phase == Phase::kBusy) --busy_;
    if (found->second.phase == Phase::kWaiting) waiting_.erase(found->second.place);
    members_.erase(found);
    quiet = take_quiet_callback();
  }
  if (quiet) quiet();
}

bool ConnectionSet::set_busy(const Member& member) {
  const std::scoped_lock lock(mutex_);
  State& state = members_.at(&member);
  if (state.phase == Phase::kClosing) return false;
  if (state.phase == Phase::kWaiting) {
    waiting_.erase(state.place);
    state.phase = Phase::kBusy;
    ++busy_;
  }
  return true;
}

void ConnectionSet::set_waiting(const Member& member) {
  std::function<void()> quiet;
  {
    const std::scoped_lock lock(mutex_);
    State& state = members_.at(&member);
    if (state.phase != Phase::kBusy) return;
    state.phase = Phase::kWaiting;
    state.place = waiting_.insert(waiting_.end(), &member);
    --busy_;
    quiet = take_quiet_callback();
  }
  if (quiet) quiet();
}

void ConnectionSet::when_quiet(std::function<void()> done) {
  std::function<void()> quiet;
  {
    const std::scoped_lock lock(mutex_);
    quiet_ = std::move(done);
    quiet = take_quiet_callback();
  }
  if (quiet) quiet();
}

void ConnectionSet::close_longest_waiting() {
  std::shared_ptr<Member> closed;
  {
    const std::scoped_lock lock(mutex_);
    closed = take_longest_waiting();
  }
  if (closed) closed->close();
}

void ConnectionSet::close_all() {
  std::vector<std::shared_ptr<Member>> closed;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [key, state] : members_) closed.push_back(state.member.lock());
  }
  for (const auto& member : closed) {
    if (member) member->close();
  }
}

std::shared_ptr<ConnectionSet::Member> ConnectionSet::take_longest_waiting() {
  if (waiting_.empty()) return nullptr;
  State& state = members_.at(waiting_.front());
  waiting_.pop_front();
  state.phase = Phase::kClosing;
  return state.member.lock();
}

std::function<void()> ConnectionSet::take_quiet_callback() {
  return busy_ == 0 ? std::exchange(quiet_, nullptr) : nullptr;
}

}  // namespace fovea::server
