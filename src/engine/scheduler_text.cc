#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "text/unicode.h"

namespace fovea::engine {
namespace {

// Rows of one batch: bounds the memory for its activations.
constexpr std::size_t kMostRows = 512;
// A chunk of a prompt has at least so many rows: fewer read the weights for too little.
constexpr std::size_t kFewestPrefillRows = 8;

double ms_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

}  // namespace

struct Scheduler::Batch {
  struct Part {
    Sequence* sequence;
    std::size_t rows;
  };
  std::vector<Part> parts;
  std::size_t rows = 0;
  std::size_t prefill_rows = 0;

  void add(Sequence& sequence, std::size_t count) {
    parts.push_back({&sequence, count});
    rows += count;
  }
};

bool Scheduler::is_eos(std::int32_t id) const {
  return std::ranges::count(model_.config().eos_token_ids, id) != 0;
}

// Answers under way come first, whole; then prompts, as far as their chunk goes.
Scheduler::Batch Scheduler::choose_rows(bool with_prompts) {
  Batch batch;
  for (const auto& sequence : running_) {
    if (!sequence->in_prompt() && sequence->rows_left() > 0) {
      batch.add(*sequence, std::min(sequence->rows_left(), kMostRows - batch.rows));
    }
    if (batch.rows == kMostRows) return batch;
  }
  if (!with_prompts) return batch;
  std::size_t room = kMostRows - batch.rows;
  if (!batch.parts.empty() && prefill_row_ms_ > 0) {
    const auto fit = static_cast<std::size_t>(options_.slice_ms / prefill_row_ms_);
    room = std::min(room, std::max(fit, kFewestPrefillRows));
  }
  for (const auto& sequence : running_) {
    if (room == 0) break;
    if (!sequence->in_prompt() || !sequence->frames_ready()) continue;
    if (!sequence->frames_seen) {
      sequence->frames_seen = true;
      sequence->seen = Clock::now();
    }
    const std::size_t rows = std::min(sequence->rows_left(), room);
    batch.add(*sequence, rows);
    batch.prefill_rows += rows;
    room -= rows;
  }
  return batch;
}

void Scheduler::fill_rows(const Batch& batch, std::vector<float>& hidden) const {
  const std::size_t hidden_size = model_.config().text.hidden_size;
  const std::size_t per_frame = model_.config().tokens_per_frame();
  float* row = hidden.data();
  for (const auto& [sequence, rows] : batch.parts) {
    const auto& prompt = sequence->request.prompt.ids;
    const std::size_t first = sequence->cache.length();
    for (std::size_t at = first; at < first + rows; ++at, row += hidden_size) {
      if (at >= prompt.size()) {
        model_.text().embed(sequence->answer[at - prompt.size()], row);
      } else if (prompt[at] != model_.config().image_token_id) {
        model_.text().embed(prompt[at], row);
      } else {
        const std::size_t image_row = sequence->image_rows[at];
        const auto& values = sequence->frames[image_row / per_frame]->values;
        std::copy_n(values.data() + image_row % per_frame * hidden_size, hidden_size, row);
      }
    }
  }
}

/// Returns how many rows of prompts there were among the batch.
std::size_t Scheduler::run_text(bool with_prompts) {
  const Batch batch = choose_rows(with_prompts);
  if (batch.parts.empty()) return 0;
  const std::size_t hidden_size = model_.config().text.hidden_size;
  const std::size_t vocab_size = model_.config().text.vocab_size;
  std::vector<float> hidden(batch.rows * hidden_size);
  fill_rows(batch, hidden);
  std::vector<nn::SequenceRows> rows;
  rows.reserve(batch.parts.size());
  for (const auto& part : batch.parts) rows.push_back({&part.sequence->cache, part.rows});
  const Stopwatch watch;
  model_.text().forward(compute_, hidden.data(), *pool_, rows);
  if (batch.prefill_rows >= kFewestPrefillRows && batch.prefill_rows * 2 > batch.rows) {
    const double each = watch.elapsed_ms() / static_cast<double>(batch.rows);
    prefill_row_ms_ = prefill_row_ms_ == 0 ? each : 0.8 * prefill_row_ms_ + 0.2 * each;
  }
  ++counted_.text_batches;
  counted_.text_rows += batch.rows;
  observer_->text_batch(batch.parts.size(), batch.rows);

  // Logits of each sequence's last row once all its rows are done; of every row of a choice.
  struct Reader {
    Sequence* sequence;
    std::size_t rows;
  };
  std::vector<Reader> readers;
  std::vector<float> wanted;
  std::size_t row = 0;
  for (const auto& [sequence, count] : batch.parts) {
    row += count;
    if (sequence->cache.length() < sequence->prompt_size()) continue;
    std::size_t take = sequence->rows_left() == 0 ? 1 : 0;
    if (sequence->scores_choices() && !sequence->answer.empty()) take = count;
    if (take == 0) continue;
    readers.push_back({sequence, take});
    wanted.insert(wanted.end(), hidden.begin() + static_cast<std::ptrdiff_t>((row - take) * hidden_size),
                  hidden.begin() + static_cast<std::ptrdiff_t>(row * hidden_size));
  }
  if (readers.empty()) return batch.prefill_rows;
  const std::size_t total = wanted.size() / hidden_size;
  std::vector<float> logits(total * vocab_size);
  model_.text().logits(compute_, wanted.data(), total, logits.data());
  std::size_t at = 0;
  for (const auto& [sequence, count] : readers) {
    read_logits(*sequence, std::span(logits).subspan(at * vocab_size, count * vocab_size), count);
    at += count;
  }
  return batch.prefill_rows;
}

void Scheduler::read_logits(Sequence& sequence, std::span<const float> logits, std::size_t rows) {
  const bool prompt_done = !sequence.prompt_read;
  if (prompt_done) {
    sequence.prompt_read = true;
    sequence.prefilled = sequence.last_token = Clock::now();
    const auto& prompt = sequence.request.prompt;
    prefixes_.store(prompt.ids, prompt.frames, sequence.cache);
    sequence.frames.clear();  // their rows are in the cache now
    sequence.result.vision_ms = ms_between(sequence.started, sequence.seen);
    sequence.result.prefill_ms = ms_between(sequence.seen, sequence.prefilled);
  }
  if (!sequence.scores_choices()) {
    if (prompt_done) end_if_done(sequence);  // an answer of no tokens, or one that the grammar dictates whole
    if (!sequence.finished) take_token(sequence, logits);
    return;
  }
  if (prompt_done) {
    const double total = log_sum_exp(logits, {});
    for (const auto& choice : sequence.request.choices) {
      sequence.first_logprobs.push_back(static_cast<double>(logits[static_cast<std::size_t>(choice[0])]) -
                                        total);
    }
    begin_choice(sequence);
  } else {
    read_choice(sequence, logits, rows);
  }
}

/// Puts the tokens of the next choice behind the prompt.
void Scheduler::begin_choice(Sequence& sequence) {
  sequence.cache.truncate(sequence.prompt_size());
  if (sequence.choice == sequence.request.choices.size()) {
    sequence.answer.clear();
    end_answer(sequence, FinishReason::kStop);
    return;
  }
  sequence.answer = sequence.request.choices[sequence.choice];
  sequence.result.choice_logprobs.push_back(sequence.first_logprobs[sequence.choice]);
}

/// Row i of a choice's rows predicts its token i + 1, the last one the end of the answer.
void Scheduler::read_choice(Sequence& sequence, std::span<const float> logits, std::size_t rows) {
  const std::size_t vocab_size = model_.config().text.vocab_size;
  const std::size_t done = sequence.answer.size() - sequence.rows_left();
  double& sum = sequence.result.choice_logprobs.back();
  for (std::size_t i = 0; i < rows; ++i) {
    const std::span<const float> row = logits.subspan(i * vocab_size, vocab_size);
    const std::size_t next = done - rows + i + 1;
    const double total = log_sum_exp(row, {});
    if (next < sequence.answer.size()) {
      sum += static_cast<double>(row[static_cast<std::size_t>(sequence.answer[next])]) - total;
      continue;
    }
    std::vector<float> ends;
    for (const std::int32_t id : model_.config().eos_token_ids) {
      if (static_cast<std::size_t>(id) < vocab_size) ends.push_back(row[static_cast<std::size_t>(id)]);
    }
    sum += log_sum_exp(ends, {}) - total;
  }
  if (sequence.rows_left() > 0) return;
  ++sequence.choice;
  begin_choice(sequence);
}

void Scheduler::take_token(Sequence& sequence, std::span<const float> logits) {
  std::span<const std::uint64_t> allowed;
  if (sequence.matcher) {
    if (sequence.matcher->fill_mask(mask_) == 0) {
      finish(sequence,
             Error{ErrorCode::kInvalidModel, "the model's vocabulary cannot spell what the schema asks for"});
      return;
    }
    allowed = mask_;
  } else if (sequence.request.sampling.ignore_eos) {
    allowed = without_eos_;
  }
  Sampler::Choice choice = sequence.sampler.pick(logits, allowed);
  const auto now = Clock::now();
  if (sequence.result.decode_steps == 0) {
    observer_->first_token(ms_between(sequence.request.submitted, now));
  } else {
    observer_->next_token(ms_between(sequence.last_token, now));
  }
  sequence.last_token = now;
  ++sequence.result.decode_steps;
  ++counted_.decode_steps;
  ++counted_.generated_tokens;

  const bool ends = is_eos(choice.id);
  sequence.answer.push_back(choice.id);
  if (sequence.request.sampling.logprobs) {
    TokenLogprob& token = sequence.result.tokens.emplace_back(
        choice.id, std::string(vocabulary_->bytes(choice.id)), choice.logprob);
    for (const auto& [id, logprob] : choice.alternatives) {
      token.alternatives.push_back({id, std::string(tokenizer_.token_bytes(id)), logprob});
    }
  }
  if (ends) {
    end_answer(sequence, FinishReason::kStop);
    return;
  }
  std::string text = sequence.text.append(vocabulary_->bytes(choice.id));
  if (sequence.matcher) {
    sequence.matcher->accept(choice.id);
    if (!sequence.text.stopped()) text += jump(sequence);
  }
  tell(sequence, text);
  end_if_done(sequence);
}

void Scheduler::end_if_done(Sequence& sequence) {
  if (sequence.text.stopped() || (sequence.matcher && sequence.matcher->must_end())) {
    end_answer(sequence, FinishReason::kStop);
  } else if (sequence.answer.size() >= sequence.limit) {
    const bool complete = sequence.matcher && sequence.matcher->can_end();
    end_answer(sequence, complete ? FinishReason::kStop : FinishReason::kLength);
  }
}

/// Appends what the grammar dictates from here, with no decode step of its own: its rows go with the next
/// batch. Returns the part of its text that may be shown.
std::string Scheduler::jump(Sequence& sequence) {
  if (!options_.jump_forward) return {};
  auto& answer = sequence.answer;
  auto& tokens = sequence.result.tokens;
  const bool logprobs = sequence.request.sampling.logprobs;
  grammar::JumpPlan plan = grammar::plan_jump(tokenizer_, *sequence.matcher, answer);
  // What was shown token by token stays as it was cut.
  if (plan.append.empty() || (logprobs && plan.keep < sequence.told)) return {};
  const std::size_t shown_bytes = vocabulary_->text(answer).size();
  if (plan.keep < answer.size()) {
    sequence.matcher->rollback(answer.size() - plan.keep);
    sequence.cache.truncate(std::min(sequence.cache.length(), sequence.prompt_size() + plan.keep));
    answer.resize(plan.keep);
  }
  float logprob = 0;  // of the tokens that are cut anew, which are as likely as they were
  for (std::size_t i = plan.keep; i < tokens.size(); ++i) logprob += tokens[i].logprob;
  if (logprobs) tokens.resize(plan.keep);
  for (const std::int32_t id : plan.append) {
    if (answer.size() >= sequence.limit) break;
    sequence.matcher->accept(id);
    answer.push_back(id);
    if (logprobs) {
      tokens.push_back(
          {.id = id, .bytes = std::string(vocabulary_->bytes(id)), .logprob = logprob, .alternatives = {}});
    }
    logprob = 0;
    ++counted_.generated_tokens;
  }
  const std::string all = vocabulary_->text(answer);
  return all.size() > shown_bytes ? sequence.text.append(std::string_view(all).substr(shown_bytes))
                                  : std::string();
}

void Scheduler::tell(Sequence& sequence, const std::string& text) {
  if (!sequence.request.on_delta) return;
  Delta delta{.text = text::replace_invalid_utf8(sequence.untold + text), .tokens = {}};
  sequence.untold.clear();
  const auto& tokens = sequence.result.tokens;
  for (; sequence.told < tokens.size(); ++sequence.told) delta.tokens.push_back(tokens[sequence.told]);
  if (!delta.text.empty() || !delta.tokens.empty()) sequence.request.on_delta(std::move(delta));
}

void Scheduler::end_answer(Sequence& sequence, FinishReason reason) {
  Generation& result = sequence.result;
  const bool stopped = sequence.text.stopped();
  if (!stopped) tell(sequence, sequence.text.finish());
  if (!sequence.scores_choices()) {
    // Another turn of the conversation begins with this answer.
    std::vector<std::int32_t> ids = sequence.request.prompt.ids;
    ids.insert(ids.end(), sequence.answer.begin(), sequence.answer.end());
    prefixes_.store(std::span(ids).first(sequence.cache.length()), sequence.request.prompt.frames,
                    sequence.cache);
  }
  result.text = stopped ? text::replace_invalid_utf8(sequence.text.bytes())
                        : tokenizer_.decode(sequence.answer, /*skip_special=*/true);
  result.token_ids = sequence.answer;
  result.finish_reason = reason;
  result.decode_ms = ms_between(sequence.prefilled, Clock::now());
  finish(sequence);
}

}  // namespace fovea::engine
