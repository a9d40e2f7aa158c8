#include "recognize/recognition.h"

#include "tasks/task.h"

namespace fovea::recognize {

nlohmann::ordered_json Recognition::to_json() const {
  nlohmann::ordered_json json{{"request_id", request_id}, {"file", file}, {"ok", ok()}, {"error", nullptr}};
  if (error) json["error"] = {{"type", error_name(error->code)}, {"detail", error->message}};
  json["task"] = task;
  json["model"] = model;
  json["model_version"] = model_version;
  json["fields"] = fields;
  json["confidence"] = confidence;
  json["cached"] = nullptr;
  if (cached) json["cached"] = *cached;
  json["degraded"] = degraded;
  json["decision"] = {{"rule", rule}, {"model", model}, {"why", why}};
  json["timings"] = {{"queue_ms", timings.queue_ms},   {"image_ms", timings.image_ms},
                     {"vision_ms", timings.vision_ms}, {"prefill_ms", timings.prefill_ms},
                     {"decode_ms", timings.decode_ms}, {"total_ms", timings.total_ms}};
  for (const tasks::Check& check : checks) json["checks"].push_back(check.to_json());
  for (const catalog::Candidate& candidate : candidates) json["candidates"].push_back(candidate.to_json());
  if (review_id) json["review_id"] = *review_id;
  if (ok() && !probabilities.is_null()) {
    json["predicted_class"] = fields.value(tasks::kLabelField, nlohmann::ordered_json());
    json["probabilities"] = probabilities;
    json["unsure"] = unsure;
  }
  return json;
}

}  // namespace fovea::recognize
