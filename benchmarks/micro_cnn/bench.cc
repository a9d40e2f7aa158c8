// What a micro CNN takes for a picture: micro_cnn_bench MODEL... (checkpoint directories). Medians and 99th
// percentiles of one thread: preparing a photo of 640 x 480, and the network on a prepared picture.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "models/micro_cnn/model.h"
#include "models/micro_cnn/preprocess.h"

namespace {

namespace micro = fovea::models::micro_cnn;

template <class Work>
void measure(const std::string& name, const Work& work) {
  constexpr int kRepeats = 2000;
  std::vector<double> micros;
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    micros.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::ranges::sort(micros);
  fmt::print("{:<44} p50 {:>8.1f} us   p99 {:>8.1f} us\n", name, micros[kRepeats / 2],
             micros[kRepeats * 99 / 100]);
}

}  // namespace

int main(int argc, char** argv) {
  fovea::image::Image photo{.width = 640, .height = 480, .rgb = std::vector<std::uint8_t>(640 * 480 * 3)};
  for (std::size_t i = 0; i < photo.rgb.size(); ++i)
    photo.rgb[i] = static_cast<std::uint8_t>(i * 31 + i / 640);
  std::size_t sum = 0;  // keeps the work
  measure("prepare 640 x 480", [&] { sum += micro::preprocess(photo, 48).front(); });
  for (int i = 1; i < argc; ++i) {
    const auto model = micro::Model::load(argv[i]);
    if (!model) {
      fmt::print(stderr, "micro_cnn_bench: {}\n", model.error().message);
      return 1;
    }
    const auto picture = micro::preprocess(photo, (*model)->config().image_size);
    measure(fmt::format("{}, {}", argv[i], micro::weight_type_name((*model)->config().weights)),
            [&] { sum += (*model)->predict_prepared(picture).top; });
  }
  return sum == 0 ? 1 : 0;
}
