#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "edge/plan.h"
#include "models/micro_cnn/model.h"

namespace fovea::edge {

/// What a device gives a network, in bytes.
struct Budget {
  std::size_t flash_bytes = std::size_t{180} * 1024;  ///< of an RP2040, beside the program around it
  std::size_t ram_bytes = std::size_t{100} * 1024;
};

/// What an export takes, layer by layer and in all, as `report.json` has it.
nlohmann::ordered_json report_json(const models::micro_cnn::Model& model, const Plan& plan,
                                   const std::string& name, const Budget& budget);

/// The same for people, from that JSON: tables in Markdown.
std::string report_markdown(const nlohmann::ordered_json& report);

/// By how much a plan is over its budget, in words; empty where it fits.
std::string over_budget(const Plan& plan, const Budget& budget);

}  // namespace fovea::edge
