#pragma once

#include <cstdint>
#include <string_view>

namespace fovea::routing {

/// Where a key falls in [0, 1): always the same for the same experiment and key, on every machine and in
/// every release (FNV-1a of 64 bits, then the finaliser of splitmix64, whose upper 53 bits are taken).
/// Different experiments split keys independently.
constexpr double sticky_point(std::string_view experiment, std::string_view key) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](char c) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  };
  for (const char c : experiment) add(c);
  add('\0');  // so that ("a", "bc") is not ("ab", "c")
  for (const char c : key) add(c);
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  hash ^= hash >> 31;
  return static_cast<double>(hash >> 11) * 0x1p-53;
}

}  // namespace fovea::routing
