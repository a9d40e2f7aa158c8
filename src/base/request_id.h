#pragma once

#include <string>

namespace fovea {

/// A new id, unlike any other of this process and, by a random part, of others. Thread-safe.
std::string make_request_id();

}  // namespace fovea
