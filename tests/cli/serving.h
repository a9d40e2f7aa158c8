#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/program.h"

namespace fovea::cli {

/// The arguments that serve the tiny checkpoint, and these.
inline std::vector<std::string> serve(std::vector<std::string> more) {
  more.insert(more.begin(), {"serve", "--model", tiny_model().string()});
  return more;
}

/// The port of "fovea: ready: http://127.0.0.1:PORT with model …", or of an https one.
inline std::optional<std::uint16_t> port_of(const std::optional<std::string>& line) {
  const std::string start = "://127.0.0.1:";
  const std::size_t at = line ? line->find(start) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  return static_cast<std::uint16_t>(std::stoi(line->substr(at + start.size())));
}

}  // namespace fovea::cli
