#include "evaluate/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/file.h"
#include "image/decode.h"

namespace fovea::evaluate {
namespace {

/// The logarithm of the sum of exponentials, which turns logits into logarithms of probabilities.
double log_sum_exp(std::span<const float> logits, float highest) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
  return highest + std::log(sum);
}

/// Kullback-Leibler divergence of the distribution of `model` from that of `reference`, in nats.
double divergence(std::span<const float> reference, float reference_highest, std::span<const float> model,
                  float model_highest) {
  const double reference_total = log_sum_exp(reference, reference_highest);
  const double model_total = log_sum_exp(model, model_highest);
  double sum = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - reference_total;
    const double log_q = static_cast<double>(model[i]) - model_total;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(sum, 0.0);  // never negative but by rounding
}

Result<void> check_alike(const models::smolvlm::Config& reference, const models::smolvlm::Config& model) {
  if (reference.text.vocab_size == model.text.vocab_size &&
      reference.text.hidden_size == model.text.hidden_size &&
      reference.tokens_per_frame() == model.tokens_per_frame()) {
    return {};
  }
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("the models cannot be compared: vocab_size {} and {}, hidden_size {} and {}, tokens "
                  "of a frame {} and {}; expected the same",
                  reference.text.vocab_size, model.text.vocab_size, reference.text.hidden_size,
                  model.text.hidden_size, reference.tokens_per_frame(), model.tokens_per_frame()));
}

Result<void> compare_picture(Agreement& agreement, engine::Generator& reference, engine::Generator& model,
                             const Question& question, const Example& example) {
  FOVEA_TRY(const std::string bytes, read_file(example.image, image::kMaxFileBytes));
  FOVEA_TRY(const image::Image picture, image::decode_image(std::as_bytes(std::span(bytes))));
  const std::span pictures(&picture, 1);
  FOVEA_TRY(const auto answer,
            reference.generate(pictures, question.prompt, {.max_new_tokens = question.max_new_tokens}));
  FOVEA_TRY(const auto theirs, reference.score(pictures, question.prompt, answer.token_ids));
  FOVEA_TRY(const auto ours, model.score(pictures, question.prompt, answer.token_ids));
  if (ours.image_features.size() != theirs.image_features.size()) {
    return fail(ErrorCode::kInvalidArgument, "the models cut the picture into different tiles");
  }
  agreement.image_features.add(cosine(theirs.image_features, ours.image_features));
  add_logits(agreement, theirs.logits, ours.logits, reference.config().text.vocab_size);
  ++agreement.pictures;
  return {};
}

nlohmann::ordered_json to_json(const Cosines& cosines) {
  return {{"mean", cosines.mean()}, {"least", cosines.least}};
}

}  // namespace

void Cosines::add(double cosine) {
  sum += cosine;
  least = std::min(least, cosine);
  ++count;
}

double Agreement::mean_divergence() const {
  return same_top.compared == 0 ? 0 : divergence_sum / static_cast<double>(same_top.compared);
}

nlohmann::ordered_json Agreement::to_json() const {
  return {{"pictures", pictures},
          {"failed", failed},
          {"positions", same_top.compared},
          {"same_top", same_top.rate()},
          {"same_top_interval95", wilson_interval95(same_top)},
          {"kl_divergence", mean_divergence()},
          {"image_features_cosine", evaluate::to_json(image_features)},
          {"logits_cosine", evaluate::to_json(logits)}};
}

double cosine(std::span<const float> a, std::span<const float> b) {
  assert(a.size() == b.size());
  double product = 0;
  double a_squares = 0;
  double b_squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i];
    const double y = b[i];
    product += x * y;
    a_squares += x * x;
    b_squares += y * y;
  }
  if (a_squares == 0 || b_squares == 0) return a_squares == b_squares ? 1 : 0;
  return product / std::sqrt(a_squares * b_squares);
}

void add_logits(Agreement& agreement, std::span<const float> reference, std::span<const float> model,
                std::size_t vocab_size) {
  assert(reference.size() == model.size() && reference.size() % vocab_size == 0);
  agreement.logits.add(cosine(reference, model));
  for (std::size_t first = 0; first < reference.size(); first += vocab_size) {
    const auto p = reference.subspan(first, vocab_size);
    const auto q = model.subspan(first, vocab_size);
    const auto top_p = std::ranges::max_element(p);
    const auto top_q = std::ranges::max_element(q);
    ++agreement.same_top.compared;
    agreement.same_top.right += top_p - p.begin() == top_q - q.begin() ? 1 : 0;
    agreement.divergence_sum += divergence(p, *top_p, q, *top_q);
  }
}

Result<Agreement> measure_agreement(engine::Generator& reference, engine::Generator& model,
                                    const Question& question, std::span<const Example> examples,
                                    const AgreementProgress& progress) {
  if (examples.empty()) return fail(ErrorCode::kInvalidArgument, "the manifest names no pictures");
  FOVEA_CHECK_OK(check_alike(reference.config(), model.config()));
  Agreement agreement;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    std::optional<Error> error;
    const auto compared = compare_picture(agreement, reference, model, question, examples[i]);
    if (!compared) {
      ++agreement.failed;
      error = compared.error();
    }
    if (progress) progress(i + 1, examples[i], error);
  }
  return agreement;
}

}  // namespace fovea::evaluate
