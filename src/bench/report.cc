#include "bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace fovea::bench {
namespace {

using Json = nlohmann::ordered_json;

Json machine_json(const kernels::Peaks& peaks) {
  return {{"int8_gops", peaks.int8_gops},
          {"bf16_gflops", peaks.bf16_gflops},
          {"f32_gflops", peaks.f32_gflops},
          {"read_gbps", peaks.read_gbps}};
}

Json value_at(const std::vector<Measurement>& measurements, std::size_t size) {
  const auto found = std::ranges::find(measurements, size, &Measurement::size);
  return found == measurements.end() ? Json(nullptr) : Json(found->value);
}

Json list(const std::vector<Measurement>& measurements, const char* size, const char* value) {
  Json rows = Json::array();
  for (const Measurement& measurement : measurements) {
    rows.push_back({{size, measurement.size},
                    {value, measurement.value},
                    {"percent_of_peak", 100 * measurement.peak_fraction}});
  }
  return rows;
}

Json end_to_end_json(const EndToEnd& result) {
  return {{"tiles", result.tiles},
          {"prompt_tokens", result.prompt_tokens},
          {"new_tokens", result.new_tokens},
          {"image_ms", result.image_ms},
          {"vision_ms", result.vision_ms},
          {"prefill_ms", result.prefill_ms},
          {"decode_ms", result.decode_ms},
          {"percent_of_peak", 100 * result.peak_fraction},
          {"vision_percent_of_peak", 100 * result.vision_peak_fraction},
          {"prefill_percent_of_peak", 100 * result.prefill_peak_fraction},
          {"decode_percent_of_peak", 100 * result.decode_peak_fraction}};
}

/// Lines of a table: what was measured, the figure with its unit, and its share of the peak or of something
/// else.
class Table {
 public:
  void heading(const std::string& text) { fmt::format_to(std::back_inserter(text_), "\n{}\n", text); }
  void line(const std::string& what, double value, const char* unit, double fraction = 0,
            const char* of = "peak") {
    fmt::format_to(std::back_inserter(text_), "  {:<34}{:>10.{}f} {:<10}", what, value, value < 100 ? 1 : 0,
                   unit);
    if (fraction > 0) {
      fmt::format_to(std::back_inserter(text_), "{:>4.0f} % of {}", 100 * fraction, of);
    }
    text_.erase(text_.find_last_not_of(' ') + 1);
    text_ += '\n';
  }
  void text(const std::string& text) { text_ += text; }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

Json to_json(const Report& report) {
  Json json{{"machine", machine_json(report.before)}, {"isa", report.isa}};
  json["machine"]["steady"] = report.steady();
  json["tile_ms"] = value_at(report.tiles, 1);
  json["prefill_872_ms"] = value_at(report.prefill, 872);
  json["decode_tok_s"] = value_at(report.decode, 900);
  json["end_to_end_ms"] = report.end_to_end.total_ms;
  json["peak_rss_mb"] = report.peak_memory_mb ? Json(*report.peak_memory_mb) : Json(nullptr);
  json["model"] = {{"name", report.model}, {"synthetic", report.synthetic}, {"dtype", report.dtype}};
  json["kv_cache"] = {{"type", report.key_value_type}, {"bytes_per_position", report.key_value_bytes}};
  json["threads"] = report.threads;
  json["machine_after"] = machine_json(report.after);
  json["picture"] = {{"decode_ms", report.picture.decode_ms}, {"tile_ms", report.picture.tile_ms}};
  json["tiles"] = list(report.tiles, "tiles", "ms_per_tile");
  json["prefill"] = list(report.prefill, "tokens", "ms");
  json["decode"] = list(report.decode, "context", "tokens_per_s");
  json["end_to_end"] = end_to_end_json(report.end_to_end);
  if (report.concurrency) {
    json["concurrency"] = {{"parallel", report.concurrency->parallel},
                           {"requests", report.concurrency->requests},
                           {"requests_per_s", report.concurrency->requests_per_s},
                           {"p50_ms", report.concurrency->p50_ms},
                           {"p95_ms", report.concurrency->p95_ms},
                           {"together_ms", report.concurrency->together_ms},
                           {"alone_ms", report.concurrency->alone_ms},
                           {"percent_of_one_at_a_time", 100 * report.concurrency->of_one_at_a_time()}};
  }
  return json;
}

std::string to_table(const Report& report) {
  Table table;
  table.text(fmt::format("{}{}, {}, keys and values {}, {} threads, kernels {}\n", report.model,
                         report.synthetic ? " (synthetic: random weights)" : "", report.dtype,
                         report.key_value_type, report.threads, report.isa));
  table.heading("Machine, at the beginning and at the end");
  const auto peak = [&](const char* what, double kernels::Peaks::* member, const char* unit) {
    table.line(what, report.before.*member, unit);
    table.line("", report.after.*member, unit);
  };
  peak("int8 products", &kernels::Peaks::int8_gops, "GOP/s");
  peak("bf16 products", &kernels::Peaks::bf16_gflops, "GFLOP/s");
  peak("f32 products", &kernels::Peaks::f32_gflops, "GFLOP/s");
  peak("reading memory", &kernels::Peaks::read_gbps, "GB/s");
  if (!report.steady()) {
    table.text("  A peak moved by over 5 %: the machine was busy with something else; measure again.\n");
  }
  table.heading("A photo of 1500 x 2100");
  table.line("decode", report.picture.decode_ms, "ms");
  table.line("resize, tile", report.picture.tile_ms, "ms");
  table.heading("Vision, each tile");
  for (const auto& row : report.tiles) {
    table.line(fmt::format("{} at once", row.size), row.value, "ms", row.peak_fraction);
  }
  table.heading("Prefill");
  for (const auto& row : report.prefill) {
    table.line(fmt::format("{} tokens", row.size), row.value, "ms", row.peak_fraction);
  }
  table.heading("Decode (peak: weights and context read from memory; small ones may stay in cache)");
  for (const auto& row : report.decode) {
    table.line(fmt::format("at context {}", row.size), row.value, "tokens/s", row.peak_fraction);
  }
  const EndToEnd& whole = report.end_to_end;
  table.heading(fmt::format("The photo end to end: {} tiles, {} prompt tokens, {} new tokens", whole.tiles,
                            whole.prompt_tokens, whole.new_tokens));
  table.line("picture: decode, resize, tile", whole.image_ms, "ms");
  table.line("vision", whole.vision_ms, "ms", whole.vision_peak_fraction);
  table.line("prefill", whole.prefill_ms, "ms", whole.prefill_peak_fraction);
  table.line("decode", whole.decode_ms, "ms", whole.decode_peak_fraction);
  table.line("all", whole.total_ms, "ms", whole.peak_fraction);
  if (report.peak_memory_mb) table.line("peak memory, loading counted", *report.peak_memory_mb, "MB");
  if (report.concurrency) {
    const Concurrency& parallel = *report.concurrency;
    table.heading(
        fmt::format("{} such requests sent to the engine at once, each with its own picture; {} in all",
                    parallel.parallel, parallel.requests));
    table.line("throughput", parallel.requests_per_s, "requests/s");
    table.line("latency, median", parallel.p50_ms, "ms");
    table.line("latency, 95th percentile", parallel.p95_ms, "ms");
    table.line("one by itself", parallel.alone_ms, "ms");
    table.line("until all were answered", parallel.together_ms, "ms", parallel.of_one_at_a_time(),
               "one at a time");
  }
  return table.take();
}

}  // namespace fovea::bench
