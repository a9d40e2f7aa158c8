#pragma once

#include <string>
#include <utility>

#include "evaluate/matrix.h"

namespace fovea::evaluate {

/// What a made-up variant is like; nothing of it was measured.
struct MadeUp {
  std::string model = "reader";
  std::string dtype = "f32";
  std::size_t right = 80;  ///< of 100 pictures, the first ones
  double p95_ms = 100;
  std::uint64_t memory_bytes = 500'000'000;
  std::uint64_t file_bytes = 20'000'000;
  bool edge = false;
};

inline Variant make_variant(const MadeUp& made_up) {
  Variant variant;
  variant.name = made_up.model + ":" + made_up.dtype;
  variant.model = made_up.model;
  variant.dtype = made_up.dtype;
  variant.folder = "/models/" + made_up.model;
  variant.version = "0123456789ab";
  variant.key = "key-of-" + made_up.model + "-" + made_up.dtype;
  variant.file_bytes = made_up.file_bytes;
  variant.parameters = 5'000'000;
  variant.memory_bytes = made_up.memory_bytes;
  variant.cold = {.p50_ms = 2 * made_up.p95_ms, .p95_ms = 3 * made_up.p95_ms, .n = 5};
  variant.warm = {.p50_ms = made_up.p95_ms / 2, .p95_ms = made_up.p95_ms, .n = 100};
  variant.levels = {{.parallel = 1, .per_second = 10, .peak_bytes = 500'000'000},
                    {.parallel = 2, .per_second = 15, .peak_bytes = 600'000'000},
                    {.parallel = 4, .per_second = 12, .peak_bytes = 800'000'000}};
  variant.whole = {.right = made_up.right, .compared = 100};
  variant.fields = {{"label", variant.whole}};
  variant.confusion = Confusion({"burnt", "done"});
  for (std::size_t i = 0; i < 100; ++i) {
    const bool is_right = i < made_up.right;
    variant.right.push_back(is_right);
    variant.confusion.add("burnt", is_right ? "burnt" : "done");
  }
  variant.reliability = {.n = 100,
                         .error = 0.03,
                         .interval95 = {0.02, 0.05},
                         .bins = {{.low = 0.7,
                                   .high = 0.8,
                                   .count = 100,
                                   .mean_confidence = 0.77,
                                   .accuracy = variant.whole.rate()}}};
  variant.edge = made_up.edge ? EdgeFit{.fits = true, .why = "", .flash_bytes = 7000, .ram_bytes = 9000}
                              : EdgeFit{.fits = false, .why = "a <language> model & more"};
  return variant;
}

inline Matrix make_matrix(std::vector<MadeUp> variants) {
  Matrix matrix{.program = "fovea 0",
                .task = "pizza",
                .task_digest = "task",
                .data = "data",
                .data_digest = "digest",
                .pictures = 100,
                .processor = "a processor",
                .threads = 2,
                .isa = "portable",
                .memory_limit_bytes = 2'000'000'000,
                .complete = true};
  for (const MadeUp& made_up : variants) matrix.variants.push_back(make_variant(made_up));
  return matrix;
}

}  // namespace fovea::evaluate
