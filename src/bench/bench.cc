#include "bench/bench.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>

#include "base/clock.h"
#include "base/worker_team.h"
#include "bench/memory.h"
#include "bench/parallel.h"
#include "bench/picture.h"
#include "bench/statistics.h"
#include "bench/work.h"
#include "engine/engine.h"
#include "image/decode.h"
#include "image/tiling.h"
#include "nn/attention.h"

namespace fovea::bench {
namespace {

using Generation = engine::Generated;
using engine::Generator;
using models::smolvlm::Cache;

constexpr std::size_t kStages = 7;

/// One run of the program: the model, the machine's peaks, and how often to repeat.
class Bench {
 public:
  Bench(Generator& generator, const kernels::Peaks& peaks, bool quick)
      : generator_(generator),
        model_(generator.model()),
        config_(generator.config()),
        peaks_(peaks),
        quick_(quick),
        jpeg_(make_jpeg()) {}

  Result<EndToEnd> end_to_end() {
    EndToEnd result;
    std::vector<double> image, vision, prefill, decode, total;
    FOVEA_TRY(Generation ignored, request(result));  // wakes pages and caches
    FOVEA_CHECK_OK(repeat([&]() -> Result<double> {
      const Stopwatch watch;
      FOVEA_TRY(const Generation generation, request(result));
      total.push_back(watch.elapsed_ms());
      image.push_back(generation.image_ms);
      vision.push_back(generation.vision_ms);
      prefill.push_back(generation.prefill_ms);
      decode.push_back(generation.decode_ms);
      result.prompt_tokens = generation.prompt_tokens;
      result.new_tokens = generation.token_ids.size();
      return total.back();
    }));
    result.image_ms = median(image);
    result.vision_ms = median(vision);
    result.prefill_ms = median(prefill);
    result.decode_ms = median(decode);
    result.total_ms = median(total);
    set_peak_fractions(result);
    return result;
  }

  Result<Picture> picture() {
    std::vector<double> decode, tile;
    FOVEA_CHECK_OK(repeat([&]() -> Result<double> {
      Stopwatch watch;
      FOVEA_TRY(const image::Image decoded, image::decode_image(jpeg_));
      decode.push_back(watch.lap_ms());
      FOVEA_TRY(const image::TiledImage tiled,
                image::tile_image(decoded, config_.tiling, &generator_.compute().team));
      tile.push_back(watch.lap_ms());
      return decode.back() + tile.back();
    }));
    return Picture{.decode_ms = median(decode), .tile_ms = median(tile)};
  }

  Result<Measurement> tiles(std::size_t count) {
    const std::size_t side = config_.vision.image_size;
    const std::size_t batch = std::min(count, model_.vision().frames_per_batch());
    std::vector<float> pixels(batch * 3 * side * side);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i * 37 % 255) / 127.5F - 1;
    std::vector<float> features(batch * config_.tokens_per_frame() * config_.text.hidden_size);
    std::vector<double> times;
    FOVEA_CHECK_OK(repeat([&]() -> Result<double> {
      const Stopwatch watch;
      for (std::size_t first = 0; first < count; first += batch) {
        model_.vision().encode(generator_.compute(), vision_workspace_, pixels.data(),
                               std::min(batch, count - first), features.data());
      }
      times.push_back(watch.elapsed_ms());
      return times.back();
    }));
    const double ms = median(times) / static_cast<double>(count);
    return Measurement{count, ms, least_tile_ms() / ms};
  }

  Result<Measurement> prefill(std::size_t tokens) {
    // Keys and values lie in the same memory every time, as those of requests do in the engine's pool.
    Cache cache = model_.text().make_cache(tokens);
    std::vector<double> times;
    FOVEA_CHECK_OK(repeat([&]() -> Result<double> {
      const Stopwatch watch;
      cache.sequence.clear();
      if (!cache.sequence.reserve(tokens)) {
        return fail(ErrorCode::kInternal, "the pages of a prompt were not given back");
      }
      fill(cache, tokens);
      times.push_back(watch.elapsed_ms());
      return times.back();
    }));
    const double ms = median(times);
    return Measurement{tokens, ms, least_ms(prefill_work(config_, tokens), model_.precision(), peaks_) / ms};
  }

  /// Tokens a second around a context of so many positions.
  Result<Measurement> decode(std::size_t context) {
    const std::size_t steps = quick_ ? 16 : 64;
    Cache cache = model_.text().make_cache(context + steps);
    std::vector<float> hidden(config_.text.hidden_size);
    std::vector<float> logits = fill(cache, context);
    std::vector<double> times;
    for (std::size_t step = 0; step < steps; ++step) {
      const Stopwatch watch;
      const auto next = static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
      model_.text().embed(next, hidden.data());
      model_.text().forward(generator_.compute(), hidden.data(), 1, cache);
      model_.text().logits(generator_.compute(), hidden.data(), 1, logits.data());
      times.push_back(watch.elapsed_ms());
    }
    const double ms = median(times);
    const double bytes = decode_bytes(config_, model_.precision(), key_value_type(), context + steps / 2);
    return Measurement{context, 1000 / ms, bytes / (peaks_.read_gbps * 1e6) / ms};
  }

 private:
  [[nodiscard]] nn::KeyValueType key_value_type() const { return model_.text().key_value_type(); }

  /// Calls `measure`, which gives the milliseconds it took, a few times: more often where it is short.
  Result<void> repeat(const std::function<Result<double>()>& measure) const {
    const std::size_t least = quick_ ? 1 : 3;
    const std::size_t most = quick_ ? 1 : 9;
    constexpr double kEnoughMs = 1500;
    double spent = 0;
    for (std::size_t i = 0; i < least || (i < most && spent < kEnoughMs); ++i) {
      FOVEA_TRY(const double ms, measure());
      spent += ms;
    }
    return {};
  }

  Result<Generation> request(EndToEnd& result) {
    const Stopwatch watch;
    FOVEA_TRY(const image::Image picture, image::decode_image(jpeg_));
    const double decode_ms = watch.elapsed_ms();
    result.tiles =
        static_cast<std::size_t>(image::plan_tiles({picture.width, picture.height}, config_.tiling).frames());
    FOVEA_TRY(Generation generation, generator_.generate({&picture, 1}, kQuestion,
                                                         {.max_new_tokens = kNewTokens, .ignore_eos = true}));
    generation.image_ms += decode_ms;
    return generation;
  }

  /// Prefills `tokens` arbitrary tokens; gives the logits after the last.
  std::vector<float> fill(Cache& cache, std::size_t tokens) const {
    const std::size_t width = config_.text.hidden_size;
    std::vector<float> hidden(tokens * width);
    std::vector<float> logits(config_.text.vocab_size);
    for (std::size_t i = 0; i < tokens; ++i) {
      const auto id = static_cast<std::int32_t>(i * 7919 % config_.text.vocab_size);
      model_.text().embed(id, hidden.data() + i * width);
    }
    model_.text().forward(generator_.compute(), hidden.data(), tokens, cache);
    model_.text().logits(generator_.compute(), hidden.data() + (tokens - 1) * width, 1, logits.data());
    return logits;
  }

  [[nodiscard]] double least_tile_ms() const {
    const std::size_t head_dim = config_.vision.hidden_size / config_.vision.num_attention_heads;
    const nn::Precision attention =
        nn::bidirectional_attention_precision(generator_.compute().kernels, head_dim, model_.precision());
    return least_ms(vision_work(config_, attention), model_.precision(), peaks_);
  }

  void set_peak_fractions(EndToEnd& result) const {
    const nn::Precision precision = model_.precision();
    const double vision = static_cast<double>(result.tiles) * least_tile_ms();
    const double prefill = least_ms(prefill_work(config_, result.prompt_tokens), precision, peaks_);
    const std::size_t steps = result.new_tokens - 1;  // prefill gives the first
    const double bytes = decode_bytes(config_, precision, key_value_type(), result.prompt_tokens + steps / 2);
    const double decode = static_cast<double>(steps) * bytes / (peaks_.read_gbps * 1e6);
    result.vision_peak_fraction = vision / result.vision_ms;
    result.prefill_peak_fraction = prefill / result.prefill_ms;
    result.decode_peak_fraction = decode / result.decode_ms;
    result.peak_fraction = (vision + prefill + decode) / result.total_ms;
  }

  Generator& generator_;
  models::smolvlm::VisionTower::Workspace vision_workspace_;
  const models::smolvlm::Model& model_;
  const models::smolvlm::Config& config_;
  const kernels::Peaks& peaks_;
  bool quick_;
  std::vector<std::byte> jpeg_;
};

}  // namespace

bool Report::steady() const {
  constexpr double kMoved = 0.05;
  return before.largest_change(after) <= kMoved;
}

Result<Report> run(const BenchOptions& options, const Observer& observer) {
  std::size_t number = 0;
  const auto stage = [&](std::string_view name) {
    if (observer) observer(name, ++number, kStages + (options.concurrency > 0 ? 1 : 0));
  };
  FOVEA_TRY(const kernels::Kernels* kernels, kernels::active_kernels());
  const kernels::PeakOptions peak_options{.read_bytes = std::size_t{options.quick ? 256U : 1024U} << 20};
  Report report;
  report.model = options.model;
  report.synthetic = options.synthetic;
  report.isa = kernels->isa;
  const auto measure_machine = [&]() -> Result<kernels::Peaks> {
    WorkerTeam team(options.generator.threads, options.generator.pinning);
    report.threads = team.size();
    return kernels::measure_peaks(*kernels, team, peak_options);
  };
  stage("machine");
  FOVEA_TRY(report.before, measure_machine());

  stage("end to end");
  const bool peak_is_ours = reset_peak_memory();
  FOVEA_TRY(const auto generator, Generator::open(options.directory, options.generator));
  report.dtype = nn::precision_name(generator->model().precision());
  const models::smolvlm::TextModel& text = generator->model().text();
  report.key_value_type = nn::key_value_type_name(text.key_value_type());
  report.key_value_bytes = text.make_pool(1)->page_bytes() / nn::kPagePositions;
  Bench bench(*generator, report.before, options.quick);
  FOVEA_TRY(report.end_to_end, bench.end_to_end());
  if (peak_is_ours) report.peak_memory_mb = peak_memory_mb();

  stage("picture");
  FOVEA_TRY(report.picture, bench.picture());
  stage("tiles");
  for (const std::size_t tiles : {1, 4, 13}) {
    FOVEA_TRY(report.tiles.emplace_back(), bench.tiles(tiles));
  }
  const std::size_t context = generator->config().text.max_position_embeddings;
  stage("prefill");
  for (const std::size_t tokens : {128, 512, 872}) {
    if (tokens > context) continue;
    FOVEA_TRY(report.prefill.emplace_back(), bench.prefill(tokens));
  }
  stage("decode");
  for (const std::size_t tokens : {64, 900}) {
    if (tokens + kNewTokens > context) continue;
    FOVEA_TRY(report.decode.emplace_back(), bench.decode(tokens));
  }
  if (options.concurrency > 0) {
    stage("in parallel");
    engine::Engine engine(generator->release(), parallel_options(options.concurrency));
    FOVEA_TRY(report.concurrency, measure_parallel(engine, options.concurrency, options.quick ? 1 : 3));
  }
  stage("machine again");
  FOVEA_TRY(report.after, measure_machine());
  return report;
}

}  // namespace fovea::bench
