#pragma once

#include <map>
#include <span>
#include <string>

#include "routing/call.h"

namespace fovea::routing {

/// One member's answer.
struct Ballot {
  std::string model;
  double weight = 1;
  const Answer* answer = nullptr;
};

/// Counts the votes, field by field. Each answer's vote for a value weighs as much as its model times its
/// calibrated confidence in that field; values that the task's normalisers make equal are one value, and the
/// one whose voter was surest is given. The confidence of the winner is the linear opinion pool: the weighted
/// mean of what every member gives it (Stone 1961), where a member that says something else gives it nothing.
/// That is less than independent voters would deserve, and not too much for ones that err together.
/// For labels with probabilities, those are pooled alike and the most probable label wins.
///
/// `question.task` may be null: then values are compared as JSON. A confidence that is missing counts as one
/// half; where no member has any, the result has none. Ballots: at least one, each with an answer. Ties go to
/// the earlier ballot.
Answer vote(const Question& question, std::span<const Ballot> ballots);

/// Whether two values of a field are the same thing, as the task's normalisers have it.
bool same_value(const tasks::Task* task, const std::string& field, const nlohmann::ordered_json& a,
                const nlohmann::ordered_json& b);

}  // namespace fovea::routing
