#include "routing/ensemble.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <vector>

#include "tasks/normalise.h"

namespace fovea::routing {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kUnknownConfidence = 0.5;

std::optional<double> number_at(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

double confidence_of(const Answer& answer, const std::string& field) {
  if (const auto known = number_at(answer.confidence, field)) return *known;
  return answer.whole.value_or(kUnknownConfidence);
}

/// One value that was voted for.
struct Candidate {
  const Json* value;
  double surest;
  double votes = 0;
};

void vote_field(const Question& question, std::span<const Ballot> ballots, const std::string& field,
                double weights, Answer& result) {
  std::vector<Candidate> candidates;
  for (const Ballot& ballot : ballots) {
    const auto value = ballot.answer->fields.find(field);
    if (value == ballot.answer->fields.end()) continue;
    const double confidence = confidence_of(*ballot.answer, field);
    const auto same = std::ranges::find_if(candidates, [&](const Candidate& candidate) {
      return same_value(question.task, field, *candidate.value, *value);
    });
    Candidate& candidate = same != candidates.end()
                               ? *same
                               : candidates.emplace_back(Candidate{.value = &*value, .surest = confidence});
    candidate.votes += ballot.weight * confidence;
    if (confidence > candidate.surest) {
      candidate.surest = confidence;
      candidate.value = &*value;
    }
  }
  const auto winner = std::ranges::max_element(candidates, {}, &Candidate::votes);
  result.fields[field] = *winner->value;
  result.confidence[field] = weights > 0 ? winner->votes / weights : 0.0;
}

bool all_have_probabilities(std::span<const Ballot> ballots) {
  return std::ranges::all_of(ballots, [](const Ballot& ballot) {
    return ballot.answer->probabilities.is_object() && !ballot.answer->probabilities.empty();
  });
}

/// Pools the labels' probabilities, and lets the most probable one win.
void pool_labels(std::span<const Ballot> ballots, double weights, Answer& result) {
  result.probabilities = Json::object();
  for (const auto& [label, value] : ballots.front().answer->probabilities.items()) {
    double sum = 0;
    for (const Ballot& ballot : ballots) {
      sum += ballot.weight * number_at(ballot.answer->probabilities, label).value_or(0);
    }
    result.probabilities[label] = weights > 0 ? sum / weights : 0.0;
  }
  std::string best;
  double most = -1;
  for (const auto& [label, value] : result.probabilities.items()) {
    if (value.get<double>() > most) {
      most = value.get<double>();
      best = label;
    }
  }
  double votes = 0;
  for (const Ballot& ballot : ballots) {
    const auto said = ballot.answer->fields.find(tasks::kLabelField);
    if (said != ballot.answer->fields.end() && *said == best) {
      votes += ballot.weight * confidence_of(*ballot.answer, tasks::kLabelField);
    }
  }
  result.fields[tasks::kLabelField] = best;
  result.confidence[tasks::kLabelField] = weights > 0 ? votes / weights : 0.0;
}

}  // namespace

bool same_value(const tasks::Task* task, const std::string& field, const Json& a, const Json& b) {
  const tasks::Field* known = task != nullptr ? task->find_field(field) : nullptr;
  if (known == nullptr || a.is_null() || b.is_null()) return a == b;
  return tasks::canonical(*known, a) == tasks::canonical(*known, b);
}

Answer vote(const Question& question, std::span<const Ballot> ballots) {
  assert(!ballots.empty());
  if (ballots.size() == 1) return *ballots.front().answer;
  Answer result;
  const Ballot* surest = &ballots.front();
  double weights = 0;
  bool confident = false;
  std::vector<std::string> fields;
  for (const Ballot& ballot : ballots) {
    weights += ballot.weight;
    confident = confident || !ballot.answer->confidence.empty() || ballot.answer->whole;
    if (ballot.answer->sureness() > surest->answer->sureness()) surest = &ballot;
    for (const auto& [field, value] : ballot.answer->fields.items()) {
      if (std::ranges::find(fields, field) == fields.end()) fields.push_back(field);
    }
  }
  result.attachment = surest->answer->attachment;
  for (const std::string& field : fields) vote_field(question, ballots, field, weights, result);
  const bool labels = question.task != nullptr && question.task->kind == tasks::Kind::kLabels;
  if (labels && all_have_probabilities(ballots)) pool_labels(ballots, weights, result);
  if (!confident) result.confidence = Json::object();
  return result;
}

}  // namespace fovea::routing
