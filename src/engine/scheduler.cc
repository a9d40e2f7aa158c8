#include "engine/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "engine/sequence.h"
#include "image/tiling.h"

namespace fovea::engine {
namespace {

// For keys and values, where nothing is asked for.
constexpr std::size_t kUsualKeyValueBytes = std::size_t{256} << 20;
// A pool larger than this could never be filled by what runs side by side.
constexpr std::size_t kMostPages = 4096;

double ms_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

/// A mean that follows what was measured lately.
void follow(double& mean, double value) {
  mean = mean == 0 ? value : 0.8 * mean + 0.2 * value;
}

std::size_t pages_for(const models::smolvlm::Model& model, const SchedulerOptions& options) {
  const std::size_t page_bytes = model.text().make_pool(1)->page_bytes();
  const std::size_t context = model.config().text.max_position_embeddings;
  const std::size_t longest = context / nn::kPagePositions + 1;
  const std::size_t wanted = options.key_value_bytes != 0
                                 ? options.key_value_bytes / page_bytes
                                 : std::max(kUsualKeyValueBytes / page_bytes, longest);
  return std::clamp<std::size_t>(wanted, 1, std::min(kMostPages, options.max_sequences * longest));
}

}  // namespace

Scheduler::Scheduler(const models::smolvlm::Model& model, const text::Tokenizer& tokenizer,
                     grammar::TokenVocabulary::Pointer vocabulary, const nn::Compute& compute,
                     const SchedulerOptions& options, Observer* observer)
    : model_(model),
      tokenizer_(tokenizer),
      vocabulary_(std::move(vocabulary)),
      compute_(compute),
      options_(options),
      observer_(observer != nullptr ? observer : &silent_),
      pool_(model.text().make_pool(pages_for(model, options))),
      prefixes_(*pool_, options.prefix_entries, model.config().image_token_id,
                model.config().tokens_per_frame()),
      embeddings_(options.embedding_bytes),
      mask_(vocabulary_->mask_words()) {
  const std::size_t vocab_size = model.config().text.vocab_size;
  without_eos_.assign((vocab_size + 63) / 64, 0);
  for (std::size_t id = 0; id < vocab_size; ++id) {
    if (!is_eos(static_cast<std::int32_t>(id))) without_eos_[id / 64] |= std::uint64_t{1} << (id % 64);
  }
}

Scheduler::~Scheduler() {
  abort({ErrorCode::kCancelled, "the engine was stopped"});
}

std::size_t Scheduler::most_tokens() const {
  return std::min(model_.config().text.max_position_embeddings, pool_->capacity() * nn::kPagePositions);
}

void Scheduler::add(GenerationRequest request) {
  auto sequence = std::make_unique<Sequence>(std::move(request), *pool_);
  const std::size_t prompt = sequence->prompt_size();
  std::size_t longest_choice = 0;
  for (const auto& choice : sequence->request.choices)
    longest_choice = std::max(longest_choice, choice.size());
  if (prompt + longest_choice >= most_tokens()) {
    finish(*sequence, Error{ErrorCode::kContextExceeded,
                            fmt::format("the prompt with its pictures is {} tokens long, there is room for "
                                        "{}; ask for less or send a smaller picture",
                                        prompt, most_tokens())});
    return;
  }
  sequence->limit = sequence->scores_choices()
                        ? longest_choice
                        : std::min(sequence->request.max_new_tokens, most_tokens() - prompt);
  waiting_.push_back(std::move(sequence));
}

void Scheduler::abort(const Error& error) {
  for (Sequences* sequences : {&waiting_, &running_}) {
    for (const auto& sequence : *sequences) finish(*sequence, error);
    sequences->clear();
  }
}

void Scheduler::step() {
  drop_unwanted();
  admit();
  drop_unwanted_frames();  // now: who came may want what others have left
  // An answer under way waits for a chunk of a prompt or for a slice of vision, never for both.
  const bool prefilled = run_text(/*with_prompts=*/!vision_turn_) > 0;
  vision_turn_ = prefilled && answering() && (pass_ || embeddings_.has_waiting());
  if (!vision_turn_) run_vision();
  remove_finished();
}

bool Scheduler::answering() const {
  return std::ranges::any_of(running_, [](const auto& s) { return s->prompt_read && !s->finished; });
}

void Scheduler::drop_unwanted() {
  const auto now = Clock::now();
  for (Sequences* sequences : {&waiting_, &running_}) {
    for (const auto& sequence : *sequences) {
      if (sequence->request.stop.stop_requested()) {
        finish(*sequence, Error{ErrorCode::kCancelled, "the request was cancelled"});
      } else if (sequence->request.deadline && now > *sequence->request.deadline) {
        finish(*sequence, Error{ErrorCode::kDeadline, "the deadline passed before there was an answer"});
      }
    }
  }
  remove_finished();
}

void Scheduler::remove_finished() {
  const auto finished = [](const auto& sequence) { return sequence->finished; };
  std::erase_if(waiting_, finished);
  std::erase_if(running_, finished);
}

void Scheduler::finish(Sequence& sequence, std::optional<Error> error) {
  if (sequence.finished) return;
  sequence.finished = true;
  sequence.cache.clear();
  sequence.frames.clear();
  sequence.result.error = std::move(error);
  if (sequence.request.on_done) sequence.request.on_done(std::move(sequence.result));
}

// The highest class first, each class in the order of coming; waiting lifts a request to the next class.
Scheduler::Sequences::iterator Scheduler::next_waiting() {
  const auto now = Clock::now();
  const auto rank = [&](const auto& sequence) {
    return effective_class(sequence->request.priority, now - sequence->request.submitted);
  };
  return std::ranges::min_element(waiting_, {}, rank);
}

void Scheduler::admit() {
  while (!waiting_.empty() && running_.size() < options_.max_sequences) {
    const auto next = next_waiting();
    Sequence& sequence = **next;
    // What comes first is never overtaken by a smaller one: it would wait for ever.
    if (!take_pages(sequence)) return;
    sequence.started = sequence.seen = sequence.prefilled = Clock::now();
    sequence.result.queue_ms = ms_between(sequence.request.submitted, sequence.started);
    observer_->started(sequence.result.queue_ms);
    request_frames(sequence);
    // What the grammar dictates from the start is read with the prompt.
    if (sequence.matcher) sequence.untold = jump(sequence);
    counted_.prompt_tokens += sequence.prompt_size();
    counted_.cached_tokens += sequence.cache.length();
    running_.splice(running_.end(), waiting_, next);
  }
}

/// Pages for the prompt and the longest answer, so that what runs always comes to its end.
bool Scheduler::take_pages(Sequence& sequence) {
  const auto& prompt = sequence.request.prompt;
  const std::size_t positions = sequence.prompt_size() + sequence.limit;
  while (true) {
    const PrefixCache::Found found = prefixes_.find(prompt.ids, prompt.frames);
    // The last token's row is computed anew: its logits are needed.
    const std::size_t reused = std::min(found.positions, sequence.prompt_size() - 1);
    if (sequence.cache.adopt(found.pages, reused) && sequence.cache.reserve(positions)) {
      sequence.result.cached_tokens = reused;
      return true;
    }
    sequence.cache.clear();
    if (!prefixes_.drop_oldest()) return false;
  }
}

void Scheduler::request_frames(Sequence& sequence) {
  const auto& prompt = sequence.request.prompt;
  const std::size_t per_frame = model_.config().tokens_per_frame();
  sequence.image_rows.resize(prompt.ids.size());
  std::size_t rows = 0;
  std::size_t rows_there = 0;
  for (std::size_t i = 0; i < prompt.ids.size(); ++i) {
    sequence.image_rows[i] = rows;
    if (prompt.ids[i] != model_.config().image_token_id) continue;
    ++rows;
    if (i < sequence.cache.length()) rows_there = rows;
  }
  // The order of next_waiting(), as a time that does not change.
  const auto due = sequence.request.submitted + static_cast<int>(sequence.request.priority) * kRiseAfter;
  sequence.frames.resize(prompt.frames.size());
  for (std::size_t frame = rows_there / per_frame; frame < prompt.frames.size(); ++frame) {
    const std::size_t encoded = embeddings_.reused();
    sequence.frames[frame] = embeddings_.request(prompt.frames[frame], due);
    if (embeddings_.reused() == encoded) ++sequence.result.frames_encoded;
  }
}

/// Leaves out of the pass what nobody waits for any more.
void Scheduler::drop_unwanted_frames() {
  for (std::size_t i = 0; i < pass_frames_.size(); ++i) {
    auto& waiting = pass_frames_[i];
    if (waiting.frame == nullptr || waiting.wanted()) continue;
    pass_->drop(i);
    embeddings_.abandon(waiting);
    waiting = {};
  }
  if (pass_ && pass_->finished()) end_vision_pass();
}

/// A slice of vision, whether anything waits for it or not: who comes or leaves meanwhile is seen soon.
void Scheduler::run_vision() {
  // Beside an answer under way, as many frames as leave a step short enough to stand between two tokens; and
  // one by one as long as it is not known how long they take. A pass that was begun before obeys it too.
  std::size_t most_frames = options_.vision_batch;
  if (answering()) {
    const double fit = vision_step_ms_ > 0 ? options_.slice_ms / vision_step_ms_ : 1;
    most_frames = static_cast<std::size_t>(std::clamp(fit, 1.0, static_cast<double>(most_frames)));
  }
  const Stopwatch slice;
  double step_ms = 0;
  do {
    if (!pass_) start_vision_pass();
    if (!pass_) return;
    const Stopwatch watch;
    pass_->step(compute_, most_frames);
    step_ms = watch.elapsed_ms();
    follow(vision_step_ms_, step_ms / static_cast<double>(pass_->step_frames()));
    ++counted_.vision_steps;
    counted_.vision_step_frames += pass_->step_frames();
    if (pass_->finished()) end_vision_pass();
  } while (slice.elapsed_ms() + step_ms < options_.slice_ms);
}

void Scheduler::start_vision_pass() {
  pass_frames_ = embeddings_.take(options_.vision_batch);
  if (pass_frames_.empty()) return;
  const std::size_t side = model_.config().vision.image_size;
  const std::size_t frame_pixels = 3 * side * side;
  // Made for the frames of one step at a time: floats of all would be most of a pass's memory.
  const auto pixels = [this, frame_pixels](std::size_t first, std::size_t count) {
    pass_pixels_.resize(count * frame_pixels);
    compute_.team.parallel_for(count, [&](std::size_t i) {
      image::normalize_frame(pass_frames_[first + i].frame->pixels, model_.config().tiling,
                             pass_pixels_.data() + i * frame_pixels);
    });
    return pass_pixels_.data();
  };
  pass_.emplace(model_.vision(), vision_workspace_, pixels, pass_frames_.size());
}

void Scheduler::end_vision_pass() {
  const std::size_t size = model_.config().tokens_per_frame() * model_.config().text.hidden_size;
  std::size_t done = 0;
  for (std::size_t i = 0; i < pass_frames_.size(); ++i) {
    if (pass_frames_[i].frame == nullptr) continue;
    const float* features = pass_->features() + i * size;
    embeddings_.finish(pass_frames_[i], {features, features + size});
    ++done;
  }
  if (done > 0) observer_->vision_batch(done);
  pass_.reset();
  pass_frames_.clear();
  // Text needs memory of its own next, and nothing needs both.
  if (!embeddings_.has_waiting()) vision_workspace_ = {};
}

SchedulerStatistics Scheduler::statistics() const {
  SchedulerStatistics now = counted_;
  now.running = running_.size();
  now.waiting = waiting_.size();
  for (const auto& sequence : waiting_)
    ++now.waiting_of[static_cast<std::size_t>(sequence->request.priority)];
  now.pages = pool_->capacity();
  now.pages_free = pool_->available();
  now.page_bytes = pool_->page_bytes();
  now.prefix_entries = prefixes_.entries();
  now.frames_encoded = embeddings_.encoded();
  now.frames_reused = embeddings_.reused();
  now.embedding_bytes = embeddings_.bytes();
  return now;
}

}  // namespace fovea::engine
