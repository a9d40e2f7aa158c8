#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/generator.h"
#include "evaluate/evaluate.h"

namespace fovea::evaluate {

/// What is asked about every picture.
struct Question {
  std::string prompt;
  std::size_t max_new_tokens = 256;
};

/// Cosines of one kind, one a picture.
struct Cosines {
  double sum = 0;
  double least = 1;
  std::size_t count = 0;

  void add(double cosine);
  [[nodiscard]] double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

/// How closely a model follows another, a reference, on the reference's own answers: both are given the
/// reference's greedy answer and say, at each of its tokens, what they would go on with. One token that
/// differs so counts once, where two free answers would part for good.
struct Agreement {
  std::size_t pictures = 0;  ///< compared
  std::size_t failed = 0;    ///< pictures without an answer
  Count same_top;            ///< positions where both have the same most likely token
  double divergence_sum = 0;
  Cosines image_features;  ///< of all features of a picture
  Cosines logits;          ///< of all logits of an answer

  /// Mean over positions of the Kullback-Leibler divergence of the model from the reference, in nats.
  [[nodiscard]] double mean_divergence() const;
  /// What `fovea compare --json` prints of it.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
};

/// Adds one answer: logits [answer, vocab_size] of both models, of one size.
void add_logits(Agreement& agreement, std::span<const float> reference, std::span<const float> model,
                std::size_t vocab_size);

/// The cosine of two vectors of one size; 1 where both are zero, 0 where one is.
double cosine(std::span<const float> a, std::span<const float> b);

/// Called after every picture: how many are done, and what went wrong with it, if something did.
using AgreementProgress =
    std::function<void(std::size_t done, const Example& example, const std::optional<Error>& error)>;

/// Compares two models on every example; their truth is not looked at. A picture that one of them cannot
/// answer counts as failed. Errors: kInvalidArgument for no examples, and for models whose logits or features
/// have different sizes.
Result<Agreement> measure_agreement(engine::Generator& reference, engine::Generator& model,
                                    const Question& question, std::span<const Example> examples,
                                    const AgreementProgress& progress);

}  // namespace fovea::evaluate
