#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "evaluate/charts.h"
#include "evaluate/matrix.h"
#include "evaluate/matrix_table.h"

namespace fovea::evaluate {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c2127; --soft: #5a6572; --rule: #d5dbe2;
  --grid: #e9edf1; --band: #f6f8fa; --heat: #1f5fa8; --on-heat: #ffffff;
  --s0: #1f5fa8; --s1: #c4550f; --s2: #23804c; --s3: #8244a3; --s4: #b4232a; --s5: #826600; --s6: #007c86; --s7: #62666b; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181d; --ink: #e6eaef; --soft: #9da8b5; --rule: #38414c; --grid: #262d35; --band: #1b2027;
    --heat: #6ea8e6; --on-heat: #0d1116;
    --s0: #7db3ee; --s1: #f2a266; --s2: #78cf9d; --s3: #d0a1e8; --s4: #f3918b; --s5: #dcc058; --s6: #66cdd6; --s7: #b5bac0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1320px; padding: 24px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; } h3 { font-size: 14px; margin: 0 0 4px; }
p { margin: 4px 0; } .soft, li { color: var(--soft); }
.wide { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 8px; text-align: right; vertical-align: top; border-bottom: 1px solid var(--grid); white-space: nowrap; }
thead th { white-space: normal; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); font-weight: 600; }
thead th, thead th:first-child { background: var(--band); font-weight: 600; }
tbody tr:last-child td { border-bottom: 0; }
td.words { text-align: left; white-space: normal; min-width: 130px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 24px; }
.small { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 20px; }
.middle { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 20px; }
figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; font-size: 14px; margin-bottom: 6px; }
svg { width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif; } .middle svg { max-width: 420px; }
svg text { fill: var(--ink); } svg .tick { fill: var(--soft); font-size: 11px; } svg .title { fill: var(--soft); }
svg .end { text-anchor: end; } svg .middle, svg .count { text-anchor: middle; } svg .strong { fill: var(--on-heat); }
svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--rule); } svg .leader { stroke: var(--soft); stroke-width: .7; }
svg .ideal { stroke: var(--soft); stroke-dasharray: 4 4; } svg .bin { fill: var(--s0); fill-opacity: .45; }
svg .mean { fill: var(--s1); } svg .cell { fill: var(--heat); } svg .bar { stroke: currentColor; stroke-width: 1.4; }
svg g[class] { fill: currentColor; stroke: var(--paper); stroke-width: 1; }
.s0 { color: var(--s0); } .s1 { color: var(--s1); } .s2 { color: var(--s2); } .s3 { color: var(--s3); }
.s4 { color: var(--s4); } .s5 { color: var(--s5); } .s6 { color: var(--s6); } .s7 { color: var(--s7); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 20px; font-size: 13px; margin: 0 0 8px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 50%; background: currentColor; margin-right: 6px; }
)";

constexpr std::array kTypes{"f32", "bf16", "int8", "int4"};
constexpr std::array kShapes{"circle", "square", "triangle", "diamond"};

std::vector<std::string> series_of(const Matrix& matrix) {
  std::vector<std::string> models;
  for (const Variant& variant : matrix.variants) {
    if (std::ranges::find(models, variant.model) == models.end()) models.push_back(variant.model);
  }
  return models;
}

std::size_t place_in(const auto& list, const std::string& name) {
  const auto found = std::ranges::find(list, name);
  return found == list.end() ? 0 : static_cast<std::size_t>(found - list.begin());
}

std::string table_html(const Table& table, bool last_is_words) {
  std::string html = "<div class=\"wide\"><table>\n<thead><tr>";
  for (std::size_t i = 0; i < table.headings.size(); ++i) {
    html += fmt::format("<th title=\"{}\">{}</th>", escaped(table.meanings[i]), escaped(table.headings[i]));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool words = last_is_words && i + 1 == row.size();
      html += fmt::format("<td{}>{}</td>", words ? " class=\"words\"" : "", escaped(row[i]));
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string scatters(const Matrix& matrix) {
  const auto models = series_of(matrix);
  std::vector<ChartPoint> by_latency, by_size;
  for (const Variant& variant : matrix.variants) {
    ChartPoint point{.label = variant.name,
                     .series = place_in(models, variant.model),
                     .shape = place_in(kTypes, variant.dtype),
                     .x = variant.warm.p95_ms,
                     .share = variant.whole.rate(),
                     .interval95 = wilson_interval95(variant.whole)};
    by_latency.push_back(point);
    point.x = static_cast<double>(variant.file_bytes);
    by_size.push_back(std::move(point));
  }
  std::string html = "<h2>Accuracy against cost</h2>\n<p class=\"legend\">";
  for (std::size_t i = 0; i < models.size(); ++i) {
    html += fmt::format("<span><i class=\"s{}\"></i>{}</span>", i % 8, escaped(models[i]));
  }
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    const bool used = std::ranges::any_of(matrix.variants,
                                          [&](const Variant& variant) { return variant.dtype == kTypes[i]; });
    if (used) html += fmt::format("<span class=\"soft\">{}: {}</span>", kTypes[i], kShapes[i]);
  }
  return html + "</p>\n<div class=\"charts\">\n<figure><figcaption>Latency, 95th percentile</figcaption>\n" +
         scatter_chart(by_latency, "latency p95, one picture at a time, warm", Dimension::kTime) +
         "</figure>\n<figure><figcaption>File size</figcaption>\n" +
         scatter_chart(by_size, "size of the weight files", Dimension::kBytes) + "</figure>\n</div>\n";
}

std::string reliabilities(const Matrix& matrix) {
  std::string html;
  for (const Variant& variant : matrix.variants) {
    const Reliability& reliability = variant.reliability;
    if (reliability.n == 0) continue;
    html += fmt::format(
        "<figure><figcaption>{}</figcaption>\n{}<p class=\"soft\">ECE {:.1f} % ({:.1f} to {:.1f}), {} "
        "confidences</p></figure>\n",
        escaped(variant.name), reliability_chart(reliability), 100 * reliability.error,
        100 * reliability.interval95[0], 100 * reliability.interval95[1], reliability.n);
  }
  if (html.empty()) return "";
  return "<h2>Reliability</h2>\n<p class=\"soft\">A bar: how often answers of these confidences are right. "
         "Dots "
         "on the dashed line are honest; under it, more was promised than kept.</p>\n<div "
         "class=\"small\">\n" +
         html + "</div>\n";
}

std::string confusions(const Matrix& matrix) {
  std::string html;
  for (const Variant& variant : matrix.variants) {
    if (variant.confusion.empty()) continue;
    html += fmt::format("<figure><figcaption>{}</figcaption>\n{}</figure>\n", escaped(variant.name),
                        confusion_chart(variant.confusion));
  }
  if (html.empty()) return "";
  return "<h2>Confusion</h2>\n<p class=\"soft\">Pictures; the truth in rows, the answer in columns, shaded "
         "by the "
         "share of the row.</p>\n<div class=\"middle\">\n" +
         html + "</div>\n";
}

Table pairs_table(const Matrix& matrix) {
  Table table{.headings = {"pair", "difference", "95 % interval", "right only in the first",
                           "right only in the second"},
              .meanings = {"", "accuracy of the first less that of the second, in points",
                           "Newcombe 1998, method 10", "pictures", "pictures"},
              .rows = {}};
  for (const PairedComparison& pair : matrix.pairs()) {
    const auto [low, high] = pair.interval95();
    table.rows.push_back({fmt::format("{} less {}", pair.a, pair.b),
                          fmt::format("{:+.1f}", 100 * pair.difference()),
                          fmt::format("{:+.1f} to {:+.1f}", 100 * low, 100 * high),
                          fmt::format("{}", pair.only_a), fmt::format("{}", pair.only_b)});
  }
  return table;
}

}  // namespace

std::string to_html(const Matrix& matrix) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/>\n<title>{0}: models compared</title>\n<style>{1}"
      "</style></head>\n<body>\n<h1>{0}: models compared</h1>\n<p "
      "class=\"soft\">{2}</p>\n<h2>Measured</h2>\n",
      escaped(matrix.task), kStyle, escaped(summary_line(matrix)));
  html += table_html(overview_table(matrix), true);
  for (const Skipped& one : matrix.skipped) {
    html += fmt::format("<p class=\"soft\">Not measured: {}: {}</p>\n", escaped(one.name), escaped(one.why));
  }
  html += scatters(matrix);
  html += "<h2>Part by part</h2>\n" + table_html(parts_table(matrix), false);
  html += reliabilities(matrix) + confusions(matrix);
  if (matrix.variants.size() > 1) {
    html +=
        "<h2>Pair by pair</h2>\n<p class=\"soft\">On the same pictures. An interval that holds 0: chance may "
        "have made the difference.</p>\n" +
        table_html(pairs_table(matrix), false);
  }
  html += "<h2>How it was measured</h2>\n<ul>\n";
  for (const std::string& note : method_notes(matrix)) html += "<li>" + escaped(note) + "</li>\n";
  return html + "</ul>\n</body></html>\n";
}

}  // namespace fovea::evaluate
