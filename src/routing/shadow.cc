#include "routing/shadow.h"

#include "routing/ensemble.h"

namespace fovea::routing {
namespace {

using Json = nlohmann::ordered_json;

Json ratio(double part, std::uint64_t whole) {
  if (whole == 0) return nullptr;
  return part / static_cast<double>(whole);
}

}  // namespace

Json ShadowFigures::to_json() const {
  Json by_field = Json::object();
  for (const auto& [name, field] : fields) {
    by_field[name] = {{"compared", field.compared},
                      {"same", field.same},
                      {"agreement", ratio(static_cast<double>(field.same), field.compared)}};
  }
  return {{"started", started},
          {"skipped", skipped},
          {"failed", failed},
          {"compared", compared},
          {"same", same},
          {"agreement", ratio(static_cast<double>(same), compared)},
          {"answered_mean_ms", ratio(answered_ms, compared)},
          {"candidate_mean_ms", ratio(candidate_ms, compared)},
          {"fields", std::move(by_field)}};
}

void ShadowBook::started(const Key& key) {
  const std::lock_guard lock(mutex_);
  ++figures_[key].started;
}

void ShadowBook::skipped(const Key& key) {
  const std::lock_guard lock(mutex_);
  ++figures_[key].skipped;
}

void ShadowBook::failed(const Key& key) {
  const std::lock_guard lock(mutex_);
  ++figures_[key].failed;
}

void ShadowBook::compare(const Key& key, const tasks::Task* task, const Answer& given, double given_ms,
                         const Answer& candidate, double candidate_ms) {
  std::map<std::string, bool> same;
  bool all = given.fields.size() == candidate.fields.size();
  for (const auto& [name, value] : given.fields.items()) {
    const auto other = candidate.fields.find(name);
    const bool equal = other != candidate.fields.end() && same_value(task, name, value, *other);
    same[name] = equal;
    all = all && equal;
  }
  const std::lock_guard lock(mutex_);
  ShadowFigures& figures = figures_[key];
  ++figures.compared;
  figures.same += all ? 1 : 0;
  figures.answered_ms += given_ms;
  figures.candidate_ms += candidate_ms;
  for (const auto& [name, equal] : same) {
    ShadowFigures::Field& field = figures.fields[name];
    ++field.compared;
    field.same += equal ? 1 : 0;
  }
}

std::map<ShadowBook::Key, ShadowFigures> ShadowBook::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

}  // namespace fovea::routing
