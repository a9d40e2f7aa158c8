#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "evaluate/evaluate.h"

namespace fovea::evaluate {

/// What came of some requests kept under way at a time.
struct LoadFigures {
  std::size_t parallel = 0;
  std::size_t requests = 0;
  std::size_t failed = 0;
  double seconds = 0;

  [[nodiscard]] double per_second() const {
    return seconds > 0 ? static_cast<double>(requests - failed) / seconds : 0;
  }
};

/// Keeps `parallel` requests under way for `seconds`, and for two requests each at least; the examples are
/// asked about in turn, again from the first when they are through. Files are read for each request, as a
/// server holds each upload. Errors: kInvalidArgument for no examples.
Result<LoadFigures> measure_load(recognize::Backend& backend, const std::string& task,
                                 const std::vector<Example>& examples, std::size_t parallel, double seconds);

}  // namespace fovea::evaluate
