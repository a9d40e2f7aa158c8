#include "edge/report.h"

#include <fmt/format.h>

namespace fovea::edge {

using Json = nlohmann::ordered_json;
using models::micro_cnn::Layer;

Json report_json(const models::micro_cnn::Model& model, const Plan& plan, const std::string& name,
                 const Budget& budget) {
  Json layers = Json::array();
  for (const Step& step : plan.steps) {
    const Layer& layer = step.layer;
    layers.push_back({{"name", layer.name},
                      {"kind", layer_kind_name(layer.kind)},
                      {"pooled", step.pool},
                      {"input", {layer.in_size, layer.in_size, layer.in_channels}},
                      {"output", {step.out_size, step.out_size, layer.out_channels}},
                      {"macs", layer.macs()},
                      {"parameters", layer.parameters()},
                      {"weight_bytes", step.weight_bytes},
                      {"arena_bytes", step.in_bytes + step.out_bytes}});
  }
  const auto all = model.layers();
  return {{"model", name},
          {"weights", models::micro_cnn::weight_type_name(plan.weights)},
          {"parameters", count_parameters(all)},
          {"macs", count_macs(all)},
          {"flash",
           {{"weights", plan.weight_bytes},
            {"tables", plan.table_bytes},
            {"code_allowance", plan.code_bytes},
            {"total", plan.flash_bytes()},
            {"budget", budget.flash_bytes}}},
          {"ram",
           {{"arena", plan.arena_bytes},
            {"state", plan.state_bytes},
            {"stack_allowance", plan.stack_bytes},
            {"total", plan.ram_bytes()},
            {"budget", budget.ram_bytes}}},
          {"fits", over_budget(plan, budget).empty()},
          {"layers", std::move(layers)}};
}

std::string report_markdown(const Json& report) {
  std::string text =
      fmt::format("# {} in {}\n\n", report["model"].get<std::string>(), report["weights"].get<std::string>());
  text += fmt::format("{} parameters, {} multiply-accumulates a picture. Bytes:\n\n",
                      report["parameters"].get<std::size_t>(), report["macs"].get<std::size_t>());
  text += "| | bytes | budget |\n|---|---:|---:|\n";
  for (const char* memory : {"flash", "ram"}) {
    for (const auto& [part, bytes] : report[memory].items()) {
      if (part == "total" || part == "budget") continue;
      text += fmt::format("| {}: {} | {} | |\n", memory, part, bytes.get<std::size_t>());
    }
    text += fmt::format("| **{}** | **{}** | {} |\n", memory, report[memory]["total"].get<std::size_t>(),
                        report[memory]["budget"].get<std::size_t>());
  }
  text +=
      "\nThe state holds the arena. Allowances are upper bounds for a Cortex-M0+ (gcc -O2); everything else "
      "is "
      "counted.\n\n| layer | | input | output | MACs | parameters | weight bytes | arena bytes |\n"
      "|---|---|---|---|---:|---:|---:|---:|\n";
  const auto shape = [](const Json& of) {
    return fmt::format("{}x{}x{}", of[0].get<std::size_t>(), of[1].get<std::size_t>(),
                       of[2].get<std::size_t>());
  };
  for (const Json& layer : report["layers"]) {
    text += fmt::format("| {} | {}{} | {} | {} | {} | {} | {} | {} |\n", layer["name"].get<std::string>(),
                        layer["kind"].get<std::string>(), layer["pooled"].get<bool>() ? ", max pool" : "",
                        shape(layer["input"]), shape(layer["output"]), layer["macs"].get<std::size_t>(),
                        layer["parameters"].get<std::size_t>(), layer["weight_bytes"].get<std::size_t>(),
                        layer["arena_bytes"].get<std::size_t>());
  }
  return text;
}

std::string over_budget(const Plan& plan, const Budget& budget) {
  std::string text;
  const auto compare = [&](const char* memory, std::size_t taken, std::size_t given) {
    if (taken <= given) return;
    text += fmt::format("{}{}: takes {} bytes, {} over the budget of {}", text.empty() ? "" : "; ", memory,
                        taken, taken - given, given);
  };
  compare("flash", plan.flash_bytes(), budget.flash_bytes);
  compare("RAM", plan.ram_bytes(), budget.ram_bytes);
  return text;
}

}  // namespace fovea::edge
