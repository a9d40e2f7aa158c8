#include "evaluate/load.h"

#include <atomic>
#include <span>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "image/decode.h"
#include "recognize/service.h"

namespace fovea::evaluate {

Result<LoadFigures> measure_load(recognize::Backend& backend, const std::string& task,
                                 const std::vector<Example>& examples, std::size_t parallel, double seconds) {
  if (examples.empty()) return fail(ErrorCode::kInvalidArgument, "there are no pictures to ask about");
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> failed = 0;
  const Stopwatch watch;
  const auto ask = [&] {
    // A request that was begun is counted: the clock stops when the last is answered.
    for (std::size_t own = 0; own < 2 || watch.elapsed_ms() < 1000 * seconds; ++own) {
      const Example& example = examples[next++ % examples.size()];
      const auto bytes = read_file(example.image, image::kMaxFileBytes);
      if (!bytes) {
        ++failed;
        continue;
      }
      recognize::Request request{.request_id = "",
                                 .file = example.image.string(),
                                 .bytes = std::as_bytes(std::span(*bytes)),
                                 .task = task};
      if (!recognize::recognize_now(backend, std::move(request)).ok()) ++failed;
    }
  };
  {
    std::vector<std::jthread> clients;
    clients.reserve(parallel);
    for (std::size_t i = 0; i < parallel; ++i) clients.emplace_back(ask);
  }
  return LoadFigures{
      .parallel = parallel, .requests = next, .failed = failed, .seconds = watch.elapsed_ms() / 1000};
}

}  // namespace fovea::evaluate
