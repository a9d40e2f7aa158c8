#include "server/body_stream.h"

#include <utility>

namespace fovea::server {

bool BodyStream::write(std::string_view text) {
  std::unique_lock lock(mutex_);
  if (broken_ || finished_) return false;
  if (text_.size() + text.size() > capacity_) {
    broken_ = true;
    awaited_ = true;  // also a reader in the middle of a write that gets nowhere has to hear of it
    text_ = {};
  } else {
    text_.append(text);
  }
  const bool written = !broken_;
  wake(lock);
  return written;
}

void BodyStream::finish(RequestNotes notes) {
  std::unique_lock lock(mutex_);
  if (finished_) return;
  finished_ = true;
  notes_ = std::move(notes);
  wake(lock);
}

BodyStream::Piece BodyStream::take() {
  const std::scoped_lock lock(mutex_);
  Piece piece{.text = std::exchange(text_, {}), .finished = finished_, .broken = broken_};
  awaited_ = piece.text.empty() && !finished_ && !broken_;
  return piece;
}

void BodyStream::set_waker(std::function<void()> waker) {
  const std::scoped_lock lock(mutex_);
  waker_ = std::move(waker);
}

void BodyStream::break_off() {
  const std::scoped_lock lock(mutex_);
  broken_ = true;
  text_ = {};
}

bool BodyStream::is_broken() const {
  const std::scoped_lock lock(mutex_);
  return broken_;
}

RequestNotes BodyStream::notes() const {
  const std::scoped_lock lock(mutex_);
  return notes_;
}

void BodyStream::wake(std::unique_lock<std::mutex>& lock) {
  if (!std::exchange(awaited_, false) || !waker_) return;
  const std::function<void()> waker = waker_;
  lock.unlock();
  waker();
}

}  // namespace fovea::server
