#include "recognize/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"

namespace fovea::recognize {
namespace {

constexpr const char* kFile = "calibration.json";

/// ln(p / (1 - p)) for p = exp(logprob), finite for every logprob at most 0.
double log_odds(double logprob) {
  const double p = std::clamp(std::exp(std::min(logprob, 0.0)), 1e-9, 1 - 1e-9);
  // 1 - p loses its digits near 1; expm1 keeps them.
  const double rest = std::clamp(-std::expm1(std::min(logprob, 0.0)), 1e-9, 1 - 1e-9);
  return std::log(p) - std::log(rest);
}

double logistic(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

/// The file's content, or an empty object where there is no file.
Result<nlohmann::json> read_all(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return nlohmann::json::object();
  FOVEA_TRY(nlohmann::json json, read_json_file(path));
  if (!json.is_object()) {
    return fail(ErrorCode::kInvalidModel, fmt::format("{}: expected a JSON object", path.string()));
  }
  return json;
}

}  // namespace

double Curve::operator()(double logprob) const {
  return logistic(slope * log_odds(logprob) + offset);
}

Curve fit_curve(std::span<const Judged> answers) {
  double right = 0;
  for (const Judged& answer : answers) right += answer.right ? 1 : 0;
  const double wrong = static_cast<double>(answers.size()) - right;
  const double target_right = (right + 1) / (right + 2);
  const double target_wrong = 1 / (wrong + 2);
  // A weak pull towards the model's own probabilities, which keeps the curve rising and the fit finite.
  constexpr double kPull = 0.5;
  Curve curve{.slope = 1, .offset = 0};
  for (int round = 0; round < 60; ++round) {
    double slope_gradient = kPull * (curve.slope - 1);
    double offset_gradient = kPull * curve.offset * 0.01;
    double slope_slope = kPull;
    double slope_offset = 0;
    double offset_offset = kPull * 0.01;
    for (const Judged& answer : answers) {
      const double x = log_odds(answer.logprob);
      const double p = logistic(curve.slope * x + curve.offset);
      const double error = p - (answer.right ? target_right : target_wrong);
      const double weight = std::max(p * (1 - p), 1e-9);
      slope_gradient += error * x;
      offset_gradient += error;
      slope_slope += weight * x * x;
      slope_offset += weight * x;
      offset_offset += weight;
    }
    const double determinant = slope_slope * offset_offset - slope_offset * slope_offset;
    double slope_step = (offset_offset * slope_gradient - slope_offset * offset_gradient) / determinant;
    double offset_step = (slope_slope * offset_gradient - slope_offset * slope_gradient) / determinant;
    // Far from the optimum a whole step can overshoot.
    const double longest = std::max(std::abs(slope_step), std::abs(offset_step));
    if (longest > 1) {
      slope_step /= longest;
      offset_step /= longest;
    }
    curve.slope = std::max(curve.slope - slope_step, 0.01);
    curve.offset -= offset_step;
    if (longest < 1e-9) break;
  }
  return curve;
}

double Calibration::probability(const std::string& field, double logprob) const {
  const auto curve = curves_.find(field);
  return curve == curves_.end() ? std::exp(std::min(logprob, 0.0)) : curve->second(logprob);
}

nlohmann::ordered_json Calibration::to_json() const {
  auto json = nlohmann::ordered_json::object();
  for (const auto& [field, curve] : curves_) {
    json[field] = {{"slope", curve.slope}, {"offset", curve.offset}};
  }
  return json;
}

Result<Calibration> Calibration::from_json(const nlohmann::json& json, const std::string& where) {
  Calibration calibration;
  const auto bad = [&](const std::string& what) {
    return fail(ErrorCode::kInvalidModel, fmt::format("{}: {}", where, what));
  };
  if (!json.is_object()) return bad("expected an object of curves by field");
  for (const auto& [field, curve] : json.items()) {
    if (!curve.is_object() || !curve.contains("slope") || !curve.contains("offset") ||
        !curve["slope"].is_number() || !curve["offset"].is_number()) {
      return bad(fmt::format("the curve of {} has no numbers slope and offset", field));
    }
    const Curve read{.slope = curve["slope"].get<double>(), .offset = curve["offset"].get<double>()};
    if (!(read.slope > 0) || !std::isfinite(read.slope) || !std::isfinite(read.offset)) {
      return bad(fmt::format("the slope of {} must be above zero, and both numbers finite", field));
    }
    calibration.set(field, read);
  }
  return calibration;
}

Result<Calibration> load_calibration(const std::filesystem::path& directory, const std::string& task,
                                     const std::string& task_digest, const std::string& weights) {
  const auto path = directory / kFile;
  FOVEA_TRY(const nlohmann::json all, read_all(path));
  const auto found = all.find(task);
  if (found == all.end()) return Calibration{};
  if (!found->is_object() || !found->contains("fields")) {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("{}: expected an object with \"fields\" for task {}", path.string(), task));
  }
  const bool same =
      found->value("task_digest", "") == task_digest && found->value("model_version", "") == weights;
  if (!same) return Calibration{};
  return Calibration::from_json((*found)["fields"], path.string());
}

Result<void> store_calibration(const std::filesystem::path& directory, const std::string& task,
                               const std::string& task_digest, const std::string& weights,
                               const Calibration& calibration, const nlohmann::ordered_json& made_from) {
  const auto path = directory / kFile;
  FOVEA_TRY(const nlohmann::json all, read_all(path));
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : all.items()) json[name] = value;
  json[task] = {{"task_digest", task_digest},
                {"model_version", weights},
                {"made_from", made_from},
                {"fields", calibration.to_json()}};
  return write_file(path, json.dump(2) + "\n");
}

}  // namespace fovea::recognize
