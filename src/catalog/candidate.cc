#include "catalog/candidate.h"

namespace fovea::catalog {
namespace {

const char* agreement_name(Agreement agreement) {
  switch (agreement) {
    case Agreement::kEqual:
      return "equal";
    case Agreement::kSimilar:
      return "similar";
    case Agreement::kDiffers:
      return "differs";
    case Agreement::kMissing:
      return "missing";
  }
  return "missing";
}

}  // namespace

nlohmann::ordered_json Candidate::to_json() const {
  nlohmann::ordered_json json{{"id", id}, {"score", score}, {"fields", fields}};
  if (!extra.empty()) json["extra"] = extra;
  json["evidence"] = nlohmann::ordered_json::array();
  for (const Evidence& item : evidence) {
    json["evidence"].push_back({{"field", item.field},
                                {"agreement", agreement_name(item.agreement)},
                                {"similarity", item.similarity}});
  }
  return json;
}

}  // namespace fovea::catalog
