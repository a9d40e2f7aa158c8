#include "evaluate/variant.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "evaluate/json_members.h"

namespace fovea::evaluate {
namespace {

using Json = nlohmann::ordered_json;

/// To the microsecond: what the clock of a shared machine can tell.
double rounded(double milliseconds) {
  return std::round(milliseconds * 1000) / 1000;
}

Json latency_json(const Latency& latency) {
  return {{"p50", rounded(latency.p50_ms)}, {"p95", rounded(latency.p95_ms)}, {"n", latency.n}};
}

Latency read_latency(Members latency, Members& above) {
  Latency read{.p50_ms = latency.number("p50"), .p95_ms = latency.number("p95"), .n = latency.count("n")};
  above.merge(latency);
  return read;
}

Json count_json(const Count& count) {
  return {{"right", count.right},
          {"n", count.compared},
          {"accuracy", count.rate()},
          {"interval95", wilson_interval95(count)}};
}

Count read_count(Members count, Members& above) {
  const Count read{.right = count.count("right"), .compared = count.count("n")};
  if (read.right > read.compared) count.mistake("more are right than there are");
  above.merge(count);
  return read;
}

Reliability read_reliability(Members json, Members& above) {
  Reliability read;
  read.n = json.count("n");
  read.error = json.number("ece");
  const Json& interval = json.array("interval95");
  if (interval.size() == 2 && interval[0].is_number() && interval[1].is_number()) {
    read.interval95 = {interval[0].get<double>(), interval[1].get<double>()};
  } else {
    json.mistake("expected \"calibration.interval95\" to be two numbers");
  }
  for (const Json& bin : json.array("bins")) {
    Members members(bin, "calibration.bins");
    read.bins.push_back({.low = members.number("low"),
                         .high = members.number("high"),
                         .count = members.count("count"),
                         .mean_confidence = members.number("confidence"),
                         .accuracy = members.number("accuracy")});
    json.merge(members);
  }
  above.merge(json);
  return read;
}

EdgeFit read_edge(Members json, Members& above) {
  EdgeFit read{.fits = json.flag("fits"),
               .why = json.text("why"),
               .flash_bytes = json.count("flash_bytes"),
               .ram_bytes = json.count("ram_bytes")};
  above.merge(json);
  return read;
}

}  // namespace

Latency Latency::of(std::vector<double> times_ms) {
  if (times_ms.empty()) return {};
  std::ranges::sort(times_ms);
  return {.p50_ms = percentile(times_ms, 0.50), .p95_ms = percentile(times_ms, 0.95), .n = times_ms.size()};
}

Room room_within(const std::vector<LoadLevel>& levels, std::uint64_t limit_bytes) {
  Room room;
  double n = 0, mean_x = 0, mean_y = 0;
  for (const LoadLevel& level : levels) {
    if (level.peak_bytes == 0) continue;
    ++n;
    mean_x += static_cast<double>(level.parallel);
    mean_y += static_cast<double>(level.peak_bytes);
    room.measured_up_to = std::max(room.measured_up_to, level.parallel);
  }
  if (n == 0) return room;
  mean_x /= n;
  mean_y /= n;
  double above = 0, below = 0;
  for (const LoadLevel& level : levels) {
    if (level.peak_bytes == 0) continue;
    const double x = static_cast<double>(level.parallel) - mean_x;
    above += x * (static_cast<double>(level.peak_bytes) - mean_y);
    below += x * x;
  }
  room.bytes_per_request = below > 0 ? std::max(0.0, above / below) : 0;
  room.base_bytes = mean_y + (1 - mean_x) * room.bytes_per_request;
  const double left = static_cast<double>(limit_bytes) - room.base_bytes;
  if (left < 0) {
    room.fits = 0;
  } else if (room.bytes_per_request > 0) {
    constexpr double kRounding = 1e-6;  // of the line's sums
    const double more =
        std::min<double>(kMostRoom - 1, std::floor(left / room.bytes_per_request + kRounding));
    room.fits = 1 + static_cast<std::size_t>(more);
    room.beyond_measurement = *room.fits > room.measured_up_to;
  }
  return room;
}

double Variant::per_second() const {
  double best = 0;
  for (const LoadLevel& level : levels) best = std::max(best, level.per_second);
  return best;
}

Json Variant::to_json() const {
  Json by_field = Json::object();
  Json field_counts = Json::object();
  for (const auto& [field, count] : fields) {
    by_field[field] = count.rate();
    field_counts[field] = count_json(count);
  }
  Json warm_json = latency_json(warm);
  warm_json["cold"] = latency_json(cold);
  Json json{{"model", model},
            {"n", whole.compared},
            {"accuracy", whole.rate()},
            {"interval95", wilson_interval95(whole)},
            {"fields", std::move(by_field)},
            {"latency_ms", std::move(warm_json)},
            {"variant", name},
            {"dtype", dtype},
            {"folder", folder},
            {"version", version},
            {"as_stored", as_stored},
            {"key", key},
            {"file_bytes", file_bytes},
            {"parameters", parameters},
            {"memory_bytes", memory_bytes},
            {"right", whole.right},
            {"failed", failed},
            {"field_counts", std::move(field_counts)}};
  json["load"] = Json::array();
  for (const LoadLevel& level : levels) {
    json["load"].push_back({{"parallel", level.parallel},
                            {"per_second", std::round(level.per_second * 100) / 100},
                            {"peak_bytes", level.peak_bytes}});
  }
  json["throughput_per_s"] = std::round(per_second() * 100) / 100;
  if (reliability.n > 0) json["calibration"] = reliability.to_json();
  if (!confusion.empty()) {
    json["confusion"] = confusion.to_json();
    json["classes"] = Json::object();
    for (std::size_t i = 0; i < confusion.labels.size(); ++i) {
      json["classes"][confusion.labels[i]] = count_json(confusion.of(i));
    }
  }
  json["edge"] = {{"fits", edge.fits},
                  {"why", edge.why},
                  {"flash_bytes", edge.flash_bytes},
                  {"ram_bytes", edge.ram_bytes}};
  std::string marks;  // a picture a character, so that a thousand of them stay one line
  for (const bool is_right : right) marks += is_right ? '1' : '0';
  json["right_by_picture"] = std::move(marks);
  return json;
}

Result<Variant> Variant::from_json(const Json& json) {
  Members members(json, "");
  Variant read;
  read.name = members.text("variant");
  read.model = members.text("model");
  read.dtype = members.text("dtype");
  read.folder = members.text("folder");
  read.version = members.text("version");
  read.as_stored = members.flag("as_stored");
  read.key = members.text("key");
  read.file_bytes = members.count("file_bytes");
  read.parameters = members.count("parameters");
  read.memory_bytes = members.count("memory_bytes");
  Members latency = members.object("latency_ms");
  read.cold = read_latency(latency.object("cold"), latency);
  read.warm = read_latency(std::move(latency), members);
  for (const Json& item : members.array("load")) {
    Members level(item, "load");
    read.levels.push_back({.parallel = level.count("parallel"),
                           .per_second = level.number("per_second"),
                           .peak_bytes = level.count("peak_bytes")});
    members.merge(level);
  }
  read.whole = {.right = members.count("right"), .compared = members.count("n")};
  read.failed = members.count("failed");
  if (members.object("field_counts").first_mistake().empty()) {
    for (const auto& [field, count] : members.any("field_counts").items()) {
      read.fields.emplace_back(field, read_count(Members(count, "field_counts." + field), members));
    }
  } else {
    members.mistake("expected \"field_counts\" to be an object");
  }
  if (members.has("calibration")) {
    read.reliability = read_reliability(members.object("calibration"), members);
  }
  if (members.has("confusion")) {
    FOVEA_TRY(read.confusion, Confusion::from_json(members.any("confusion")));
  }
  read.edge = read_edge(members.object("edge"), members);
  for (const char mark : members.text("right_by_picture")) read.right.push_back(mark == '1');
  if (read.right.size() != read.whole.compared || read.whole.right > read.whole.compared) {
    members.mistake("\"right_by_picture\", \"right\" and \"n\" do not agree");
  }
  if (!members.first_mistake().empty()) {
    return fail(ErrorCode::kInvalidArgument, members.first_mistake());
  }
  return read;
}

}  // namespace fovea::evaluate
