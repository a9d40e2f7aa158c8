#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace fovea::server {

/// What the log and the metrics say about an answer besides its status. Empty: does not apply.
struct RequestNotes {
  std::string task = {};
  std::string model = {};
  std::string rule = {};  ///< of the router, and its reason
  std::string why = {};
  std::string cached = {};  ///< the tier that had the answer
  std::string error = {};   ///< the name of an error's code
  std::optional<std::size_t> prompt_tokens = {};
  std::optional<std::size_t> completion_tokens = {};
};

/// A body that is sent while it is made: one side writes, on any thread, and never waits; the connection
/// takes out what has come. A reader that is slower than the writer by more than the capacity breaks the
/// stream, so that memory stays bounded. Thread-safe.
class BodyStream {
 public:
  /// `capacity`: bytes that may lie in it.
  explicit BodyStream(std::size_t capacity) : capacity_(capacity) {}
  BodyStream(const BodyStream&) = delete;
  BodyStream& operator=(const BodyStream&) = delete;

  /// Appends `text`. False, and nothing appended: the stream is broken or ended.
  bool write(std::string_view text);

  /// Nothing comes after what was written. The first call counts.
  void finish(RequestNotes notes);

  /// What the connection finds.
  struct Piece {
    std::string text;
    bool finished = false;  ///< nothing comes after it
    bool broken = false;    ///< the reader was too slow, or break_off() was called
  };

  /// Takes all that has come. When that is nothing, and neither the end, the waker is called on the next
  /// change.
  Piece take();

  /// Sets what take() promises to call, on the writer's thread; it must not call the stream.
  void set_waker(std::function<void()> waker);

  /// The reader has gone: writes fail from now on.
  void break_off();

  [[nodiscard]] bool is_broken() const;

  /// What finish() was told; empty notes before.
  [[nodiscard]] RequestNotes notes() const;

 private:
  void wake(std::unique_lock<std::mutex>& lock);

  const std::size_t capacity_;
  mutable std::mutex mutex_;  // guards all below
  std::string text_;
  bool finished_ = false;
  bool broken_ = false;
  bool awaited_ = false;  // the reader found nothing and wants to be woken
  std::function<void()> waker_;
  RequestNotes notes_;
};

}  // namespace fovea::server
