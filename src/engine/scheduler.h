#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/embedding_cache.h"
#include "engine/generation.h"
#include "engine/prefix_cache.h"
#include "grammar/vocabulary.h"
#include "models/smolvlm/model.h"
#include "nn/compute.h"
#include "text/tokenizer.h"

namespace fovea::engine {

struct SchedulerOptions {
  std::size_t max_sequences = 16;  ///< that are computed side by side
  /// For keys and values of all of them; 0: 256 MiB, or what one longest sequence takes if that is more.
  std::size_t key_value_bytes = 0;
  std::size_t embedding_bytes = std::size_t{64} << 20;  ///< for embeddings of frames that may come again
  std::size_t prefix_entries = 64;                      ///< beginnings kept; 0: none
  std::size_t vision_batch = 4;                         ///< frames that go through the tower together
  double slice_ms = 15;      ///< about how long vision, or prefill, may hold up answers that are under way
  bool jump_forward = true;  ///< text that a grammar dictates needs no decode steps
};

/// What the scheduler has done and holds.
struct SchedulerStatistics {
  std::size_t running = 0, waiting = 0;
  std::array<std::size_t, kPriorities> waiting_of = {};  ///< by the priority they came with
  std::size_t pages = 0, pages_free = 0;
  std::size_t page_bytes = 0;
  std::size_t prefix_entries = 0;
  std::size_t frames_encoded = 0, frames_reused = 0;
  std::size_t embedding_bytes = 0;
  std::size_t prompt_tokens = 0, cached_tokens = 0;
  std::size_t generated_tokens = 0, decode_steps = 0;
  std::size_t text_batches = 0, text_rows = 0;
  std::size_t vision_steps = 0, vision_step_frames = 0;  ///< steps of the tower, frames that each did
};

/// Is told what happens, on the engine's thread, for metrics. Must be quick.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void started(double queue_ms) { (void)queue_ms; }
  virtual void first_token(double since_submitted_ms) { (void)since_submitted_ms; }
  virtual void next_token(double since_last_ms) { (void)since_last_ms; }
  virtual void text_batch(std::size_t sequences, std::size_t rows) { (void)sequences, (void)rows; }
  virtual void vision_batch(std::size_t frames) { (void)frames; }
};

struct Sequence;

/// Continuous batching (after Yu et al. 2022, Orca): sequences join and leave between steps. A step decodes
/// one token of every answer under way, together with a chunk of the prompts that wait or followed by a slice
/// of vision: an answer under way never waits for another's whole picture. What a request gets does not
/// depend on what runs beside it. One thread owns it.
class Scheduler {
 public:
  Scheduler(const models::smolvlm::Model& model, const text::Tokenizer& tokenizer,
            grammar::TokenVocabulary::Pointer vocabulary, const nn::Compute& compute,
            const SchedulerOptions& options, Observer* observer = nullptr);
  ~Scheduler();

  /// Takes a request; its on_done is called by a later step().
  void add(GenerationRequest request);
  [[nodiscard]] bool idle() const { return waiting_.empty() && running_.empty(); }
  /// Does some milliseconds of work.
  void step();
  /// Ends everything with this error.
  void abort(const Error& error);

  [[nodiscard]] SchedulerStatistics statistics() const;
  /// The most tokens, prompt and answer, that one request may have.
  [[nodiscard]] std::size_t most_tokens() const;

 private:
  using Sequences = std::list<std::unique_ptr<Sequence>>;
  using Clock = std::chrono::steady_clock;

  // scheduler.cc: who runs, and vision
  void drop_unwanted();
  void admit();
  [[nodiscard]] Sequences::iterator next_waiting();
  bool take_pages(Sequence& sequence);
  void request_frames(Sequence& sequence);
  [[nodiscard]] bool answering() const;
  void drop_unwanted_frames();
  void run_vision();
  void start_vision_pass();
  void end_vision_pass();
  void finish(Sequence& sequence, std::optional<Error> error = std::nullopt);
  void remove_finished();

  // scheduler_text.cc: rows through the text model, and what comes of their logits
  struct Batch;
  std::size_t run_text(bool with_prompts);
  [[nodiscard]] Batch choose_rows(bool with_prompts);
  void fill_rows(const Batch& batch, std::vector<float>& hidden) const;
  void read_logits(Sequence& sequence, std::span<const float> logits, std::size_t rows);
  void read_choice(Sequence& sequence, std::span<const float> logits, std::size_t rows);
  void begin_choice(Sequence& sequence);
  void take_token(Sequence& sequence, std::span<const float> logits);
  std::string jump(Sequence& sequence);
  void end_if_done(Sequence& sequence);
  void tell(Sequence& sequence, const std::string& text);
  void end_answer(Sequence& sequence, FinishReason reason);
  [[nodiscard]] bool is_eos(std::int32_t id) const;

  const models::smolvlm::Model& model_;
  const text::Tokenizer& tokenizer_;
  grammar::TokenVocabulary::Pointer vocabulary_;
  const nn::Compute& compute_;
  SchedulerOptions options_;
  Observer* observer_;
  Observer silent_;

  std::unique_ptr<nn::KeyValuePool> pool_;
  PrefixCache prefixes_;
  EmbeddingCache embeddings_;
  Sequences waiting_;
  Sequences running_;

  // The pass that is in the tower, and whose frames those are; without a frame: one that was left out.
  std::optional<models::smolvlm::VisionTower::Pass> pass_;
  models::smolvlm::VisionTower::Workspace vision_workspace_;
  std::vector<float> pass_pixels_;
  std::vector<EmbeddingCache::Waiting> pass_frames_;

  std::vector<std::uint64_t> mask_;
  std::vector<std::uint64_t> without_eos_;  // every id but the end-of-sequence ones
  bool vision_turn_ = false;                // answers under way waited for a prompt last
  double vision_step_ms_ = 0;               // of one frame, lately; 0: not known yet
  double prefill_row_ms_ = 0;               // likewise, of one row
  SchedulerStatistics counted_;
};

}  // namespace fovea::engine
