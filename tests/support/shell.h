#pragma once

#include <array>
#include <cstdio>
#include <string>

namespace fovea::test {

/// What a shell command prints on its standard output; nothing where no shell can be started.
inline std::string shell(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> chunk{};
  while (const auto count = fread(chunk.data(), 1, chunk.size(), pipe)) output.append(chunk.data(), count);
  pclose(pipe);
  return output;
}

}  // namespace fovea::test
