#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/prompt.h"

namespace fovea::engine {

/// What the vision tower makes of one frame. Filled in once, then constant.
struct Embeddings {
  std::vector<float> values;  ///< [tokens_per_frame, hidden_size]; empty until the tower is done with it
  [[nodiscard]] bool ready() const { return !values.empty(); }
};

/// Embeddings by the pixels of their frames: another question on the same picture, the same picture in
/// another file, or equal tiles of one picture need the tower once. Holds the frames that wait for the tower
/// too. One model's, one thread's.
class EmbeddingCache {
 public:
  explicit EmbeddingCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  using TimePoint = std::chrono::steady_clock::time_point;

  /// The embeddings of a frame: ready, under way, or from now on waiting for the tower, where the frames with
  /// the earliest `due` go first.
  std::shared_ptr<const Embeddings> request(const std::shared_ptr<const Frame>& frame, TimePoint due = {});

  struct Waiting {
    std::shared_ptr<const Frame> frame;
    std::shared_ptr<Embeddings> embeddings;
    TimePoint due;
    /// Somebody waits for them still.
    [[nodiscard]] bool wanted() const { return embeddings.use_count() > 1; }
  };
  /// The next frames for the tower, at most `count`: the first due, and of those the first asked for. Frames
  /// that nobody waits for any more are dropped.
  std::vector<Waiting> take(std::size_t count);
  /// The tower is done with a frame that take() gave.
  void finish(const Waiting& done, std::vector<float> values);
  /// The tower leaves a frame that take() gave, which nobody wants.
  void abandon(const Waiting& left);

  [[nodiscard]] bool has_waiting() const { return !waiting_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t reused() const { return reused_; }    ///< frames found since the start
  [[nodiscard]] std::size_t encoded() const { return encoded_; }  ///< frames that the tower did

 private:
  struct Entry {
    FrameKey key;
    std::shared_ptr<Embeddings> embeddings;
  };
  void wait(Waiting frame);
  void drop_oldest();

  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::size_t reused_ = 0;
  std::size_t encoded_ = 0;
  std::list<Entry> recent_;  // ready ones, the last used first
  std::map<FrameKey, std::list<Entry>::iterator> ready_;
  std::map<FrameKey, std::weak_ptr<Embeddings>> under_way_;  // waiting, or in the tower
  std::vector<Waiting> waiting_;                             // the first due first
};

}  // namespace fovea::engine
