// The stages of one request in ONNX Runtime, over the graphs of graphs.py: prints one JSON object of medians.
//
//   stages LIBRARY VISION DECODER [THREADS [ROUNDS]]      VISION may be -: then only the decoder is timed
//
// LIBRARY is libonnxruntime.so, opened by name: the versions of its symbols differ from release to release.
// The end-to-end figure is thirteen tiles one after another, a prefill of 872 and 64 decoding steps; decoding
// the picture, and choosing tokens, are not in it.

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kTiles = 13, kPromptTokens = 872, kNewTokens = 64;

template <class Function>
double milliseconds(Function function) {
  const auto start = Clock::now();
  function();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

std::vector<float> noise(std::size_t size) {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(size);
  std::generate(values.begin(), values.end(), [&] { return normal(generator); });
  return values;
}

double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::atof(line.c_str() + 6) * 1024e-6;
  }
  return 0;
}

Ort::Value tensor(std::vector<float>& values, std::vector<std::int64_t> shape, std::size_t first = 0) {
  const auto size = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  return Ort::Value::CreateTensor<float>(Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault),
                                         values.data() + first, static_cast<std::size_t>(size), shape.data(),
                                         shape.size());
}

struct Vision {
  Ort::Session session;
  Ort::IoBinding binding{session};
  std::vector<float> pixels = noise(3 * 512 * 512), features = std::vector<float>(64 * 960);

  Vision(const Ort::Env& env, const char* path, const Ort::SessionOptions& options)
      : session(env, path, options) {
    binding.BindInput("pixel_values", tensor(pixels, {1, 3, 512, 512}));
    binding.BindOutput("image_features", tensor(features, {1, 64, 960}));
  }
  void run() { session.Run(Ort::RunOptions(), binding); }
};

/// Keys and values stand in buffers for `kPositions`, past and present the same memory.
struct Decoder {
  static constexpr std::int64_t kLayers = 32, kHeads = 5, kWidth = 64, kHidden = 960, kWords = 49280,
                                kPositions = 2048;
  Ort::Session session;
  std::vector<float> hidden = noise(kPositions * kHidden), logits = std::vector<float>(kWords);
  std::vector<std::vector<float>> cache{2 * kLayers, std::vector<float>(kHeads* kPositions* kWidth)};
  std::vector<std::int64_t> mask = std::vector<std::int64_t>(kPositions, 1);

  Decoder(const Ort::Env& env, const char* path, const Ort::SessionOptions& options)
      : session(env, path, options) {}

  void run(std::int64_t past, std::int64_t tokens) {
    Ort::IoBinding binding(session);
    binding.BindInput("inputs_embeds", tensor(hidden, {1, tokens, kHidden}));
    const std::int64_t shape[] = {1, past + tokens};
    binding.BindInput("attention_mask", Ort::Value::CreateTensor<std::int64_t>(
                                            Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault),
                                            mask.data(), static_cast<std::size_t>(past + tokens), shape, 2));
    for (std::int64_t i = 0; i < 2 * kLayers; ++i) {
      const std::string name = "." + std::to_string(i / 2) + (i % 2 == 0 ? ".key" : ".value");
      auto& values = cache[static_cast<std::size_t>(i)];
      binding.BindInput(("past" + name).c_str(), tensor(values, {1, kHeads, kPositions, kWidth}));
      binding.BindOutput(("present" + name).c_str(), tensor(values, {1, kHeads, kPositions, kWidth}));
    }
    binding.BindOutput("logits", tensor(logits, {1, 1, kWords}));
    session.Run(Ort::RunOptions(), binding);
  }
};

const OrtApi* open_library(const char* path) {
  void* library = ::dlopen(path, RTLD_NOW);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", ::dlerror());
    std::exit(2);
  }
  const auto base = reinterpret_cast<const OrtApiBase* (*)()>(::dlsym(library, "OrtGetApiBase"));
  return base()->GetApi(ORT_API_VERSION);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "Usage: stages LIBRARY VISION DECODER [THREADS [ROUNDS]]\n");
    return 2;
  }
  Ort::InitApi(open_library(argv[1]));
  const int threads = argc > 4 ? std::atoi(argv[4]) : 2;
  const int rounds = argc > 5 ? std::atoi(argv[5]) : 3;
  const Ort::Env env(ORT_LOGGING_LEVEL_WARNING);
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.SetInterOpNumThreads(1);
  options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);

  std::vector<double> tile, prefill, step, whole;
  std::optional<Vision> vision;
  if (std::strcmp(argv[2], "-") != 0) vision.emplace(env, argv[2], options);
  Decoder decoder(env, argv[3], options);
  if (vision) vision->run();
  decoder.run(0, 128);
  for (int round = 0; round < rounds; ++round) {
    double total = 0;
    for (std::int64_t i = 0; vision && i < kTiles; ++i) {
      tile.push_back(milliseconds([&] { vision->run(); }));
      total += tile.back();
      std::copy(vision->features.begin(), vision->features.end(),
                decoder.hidden.begin() + (30 + 64 * i) * Decoder::kHidden);
    }
    prefill.push_back(milliseconds([&] { decoder.run(0, kPromptTokens); }));
    total += prefill.back();
    for (std::int64_t i = 0; i < kNewTokens; ++i) {
      step.push_back(milliseconds([&] { decoder.run(kPromptTokens + i, 1); }));
      total += step.back();
    }
    whole.push_back(total);
  }
  std::printf("{");
  if (vision) std::printf("\"tile_ms\": %.2f, \"end_to_end_ms\": %.1f, ", median(tile), median(whole));
  std::printf("\"prefill_872_ms\": %.2f, \"decode_tok_s\": %.2f, \"peak_rss_mb\": %.0f}\n", median(prefill),
              1000 / median(step), peak_memory_mb());
}
