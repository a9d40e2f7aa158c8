#include "evaluate/matrix_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "evaluate/units.h"

namespace fovea::evaluate {
namespace {

std::string bytes(std::uint64_t value) {
  return value == 0 ? "not known" : format_quantity(static_cast<double>(value), Dimension::kBytes);
}

std::string time(const Latency& latency, double Latency::* part) {
  return latency.n == 0 ? "none" : format_quantity(latency.*part, Dimension::kTime);
}

std::string with_interval(const Count& count) {
  if (count.compared == 0) return "none";
  const auto [low, high] = wilson_interval95(count);
  return fmt::format("{:.1f} % ({:.1f} to {:.1f})", 100 * count.rate(), 100 * low, 100 * high);
}

std::string calibration(const Reliability& reliability) {
  if (reliability.n == 0) return "none";
  return fmt::format("{:.1f} % ({:.1f} to {:.1f})", 100 * reliability.error, 100 * reliability.interval95[0],
                     100 * reliability.interval95[1]);
}

std::string room(const Variant& variant, std::uint64_t limit_bytes) {
  const Room room = room_within(variant.levels, limit_bytes);
  if (room.measured_up_to == 0) return "not known";
  if (!room.fits) return fmt::format("{} or more", room.measured_up_to);
  return fmt::format("{}{}{}", *room.fits, *room.fits == kMostRoom ? " or more" : "",
                     room.beyond_measurement ? " (line)" : "");
}

std::string edge(const EdgeFit& fit) {
  if (!fit.fits) return "no: " + fit.why;
  return fmt::format("yes: flash {}, RAM {}", bytes(fit.flash_bytes), bytes(fit.ram_bytes));
}

std::string best_level(const Variant& variant) {
  const auto best = std::ranges::max_element(variant.levels, {}, &LoadLevel::per_second);
  if (best == variant.levels.end()) return "none";
  return fmt::format("{} at {}", format_quantity(best->per_second, Dimension::kRate), best->parallel);
}

}  // namespace

Table overview_table(const Matrix& matrix) {
  const std::string limit =
      format_quantity(static_cast<double>(matrix.memory_limit_bytes), Dimension::kBytes);
  Table table{
      .headings = {"variant", "size", "parameters", "memory", "p50", "p95", "cold p50", "cold p95",
                   "throughput", "requests in " + limit, "accuracy", "ECE", "RP2040"},
      .meanings = {"MODEL:TYPE of weights", "weight files of the checkpoint",
                   "of the model, however it is stored",
                   "most memory of the process (VmHWM), pictures one at a time",
                   "median time of an answer, one picture at a time, warm", "95th percentile of that",
                   "median time from the command's start to the first answer, a process each",
                   "95th percentile of that", "pictures a second, and with how many requests at a time",
                   "requests at a time that fit this memory",
                   "pictures right as a whole, with the 95 % interval (Wilson)",
                   "expected calibration error of the confidences, with the 95 % interval (bootstrap)",
                   "whether an export fits the RP2040's budget"},
      .rows = {}};
  for (const Variant& variant : matrix.variants) {
    table.rows.push_back({variant.name, bytes(variant.file_bytes),
                          format_quantity(static_cast<double>(variant.parameters), Dimension::kCount),
                          bytes(variant.memory_bytes), time(variant.warm, &Latency::p50_ms),
                          time(variant.warm, &Latency::p95_ms), time(variant.cold, &Latency::p50_ms),
                          time(variant.cold, &Latency::p95_ms), best_level(variant),
                          room(variant, matrix.memory_limit_bytes), with_interval(variant.whole),
                          calibration(variant.reliability), edge(variant.edge)});
  }
  return table;
}

Table parts_table(const Matrix& matrix) {
  Table table{
      .headings = {matrix.variants.empty() || matrix.variants.front().confusion.empty() ? "field" : "class"},
      .meanings = {"share that is right"},
      .rows = {}};
  std::vector<std::vector<std::pair<std::string, Count>>> columns;
  std::vector<std::string> parts;
  for (const Variant& variant : matrix.variants) {
    table.headings.push_back(variant.name);
    table.meanings.push_back("");
    auto& column = columns.emplace_back();
    if (variant.confusion.empty()) column = variant.fields;
    for (std::size_t i = 0; i < variant.confusion.labels.size(); ++i) {
      column.emplace_back(variant.confusion.labels[i], variant.confusion.of(i));
    }
    for (const auto& [part, count] : column) {
      if (std::ranges::find(parts, part) == parts.end()) parts.push_back(part);
    }
  }
  for (const std::string& part : parts) {
    auto& row = table.rows.emplace_back();
    row.push_back(part);
    for (const auto& column : columns) {
      const auto found = std::ranges::find(column, part, &std::pair<std::string, Count>::first);
      row.push_back(found == column.end() ? "none" : with_interval(found->second));
    }
  }
  return table;
}

std::string summary_line(const Matrix& matrix) {
  return fmt::format("{} pictures of the task {} ({}), measured by {} on {} with {} threads, kernels {}{}",
                     matrix.pictures, matrix.task, matrix.data, matrix.program, matrix.processor,
                     matrix.threads, matrix.isa,
                     matrix.complete ? "." : ". Not complete: run the same command again to go on.");
}

std::vector<std::string> method_notes(const Matrix& matrix) {
  std::vector<std::string> notes;
  notes.emplace_back(
      "Each variant was measured by a process of its own, so that memory is its own; pages of mapped files "
      "count where they were touched.");
  notes.emplace_back(
      "Cold: a process each, from the command's start to the first answer, loading included. The files were "
      "in the page cache.");
  notes.emplace_back("Nothing is answered from a cache, and no part of a picture is reused.");
  notes.push_back(fmt::format(
      "Requests in {}: one request's memory and the growth for each further one, a line by least squares "
      "through the peaks with 1, 2, 4 and 8 requests under way. (line): beyond what was measured. "
      "\"or more\": no growth was seen.",
      format_quantity(static_cast<double>(matrix.memory_limit_bytes), Dimension::kBytes)));
  notes.emplace_back(
      "RP2040: flash and RAM of the export against 180 KiB and 100 KiB, beside the program around it.");
  return notes;
}

}  // namespace fovea::evaluate
