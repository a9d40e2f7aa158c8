#include "evaluate/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fovea::evaluate {
namespace {

/// A plotting area and what its axes mean; y is a share.
struct Axes {
  double left, top, width, height;
  double x_low, x_high;  // decimal logarithms
  double y_low, y_high;

  [[nodiscard]] double x(double value) const {
    return left + (std::log10(value) - x_low) / (x_high - x_low) * width;
  }
  [[nodiscard]] double y(double share) const { return top + (y_high - share) / (y_high - y_low) * height; }
};

std::string marker(std::size_t shape, double x, double y) {
  switch (shape) {
    case 1:
      return fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="10" height="10"/>)", x - 5, y - 5);
    case 2:
      return fmt::format(R"(<path d="M{:.1f} {:.1f}l6.5 11h-13z"/>)", x, y - 7);
    case 3:
      return fmt::format(R"(<path d="M{:.1f} {:.1f}l6.5 6.5l-6.5 6.5l-6.5 -6.5z"/>)", x, y - 6.5);
    default:
      return fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="5.5"/>)", x, y);
  }
}

std::string text_at(double x, double y, const char* css, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>\n", x, y, css, escaped(text));
}

std::string line(double x1, double y1, double x2, double y2, const char* css) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1,
                     x2, y2, css);
}

/// "5 ms" for "5.00 ms".
std::string tick_text(double value, Dimension dimension) {
  std::string text = format_quantity(value, dimension);
  const std::size_t end = text.find(' ');
  std::size_t last = std::min(end, text.size());
  if (text.substr(0, last).find('.') == std::string::npos) return text;
  while (text[last - 1] == '0') --last;
  if (text[last - 1] == '.') --last;
  return text.substr(0, last) + (end == std::string::npos ? "" : text.substr(end));
}

/// Powers of ten where much is shown, 1, 2 and 5 times them where less is, and every digit of them where
/// little is.
std::vector<double> ticks_of(const Axes& axes) {
  std::vector<double> ticks;
  const double decades = axes.x_high - axes.x_low;
  const auto shown = [&](int digit) {
    return digit == 1 || (decades < 2.2 && (digit == 2 || digit == 5)) || decades < 0.8;
  };
  for (int power = static_cast<int>(std::floor(axes.x_low)); power <= axes.x_high; ++power) {
    for (int digit = 1; digit <= 9; ++digit) {
      const double tick = digit * std::pow(10.0, power);
      const double place = std::log10(tick);
      if (place >= axes.x_low && place <= axes.x_high && shown(digit)) ticks.push_back(tick);
    }
  }
  return ticks;
}

/// A scale of shares that holds every interval, with ends at twentieths or tenths.
std::pair<double, double> share_range(const std::vector<ChartPoint>& points) {
  double low = 1, high = 0;
  for (const ChartPoint& point : points) {
    low = std::min(low, point.interval95[0]);
    high = std::max(high, point.interval95[1]);
  }
  const double step = high - low > 0.4 ? 0.1 : 0.05;
  low = std::max(0.0, std::floor(low / step) * step);
  high = std::min(1.0, std::ceil(high / step) * step);
  return high > low ? std::pair(low, high) : std::pair(0.0, 1.0);
}

/// Where a label stands: its line's middle, and whether to the left of its point.
struct Label {
  double x = 0, y = 0;
  bool left = false;
  double width = 0;

  [[nodiscard]] double begin() const { return left ? x - width : x; }
};

/// Labels beside their points, moved up and down until none covers another, a point or an error bar.
std::vector<Label> place_labels(const std::vector<ChartPoint>& points, const Axes& axes) {
  constexpr double kGap = 11, kLine = 14, kCharacter = 6.4;
  std::vector<Label> placed;
  const auto covered = [&](const Label& label) {
    const auto over = [&](double begin, double end, double y) {
      return std::abs(y - label.y) < kLine && begin < label.begin() + label.width && label.begin() < end;
    };
    return std::ranges::any_of(placed,
                               [&](const Label& other) {
                                 return over(other.begin(), other.begin() + other.width, other.y);
                               }) ||
           std::ranges::any_of(points, [&](const ChartPoint& point) {
             const double x = axes.x(point.x);
             const bool beside_bar = label.y > axes.y(point.interval95[1]) - kLine / 2 &&
                                     label.y < axes.y(point.interval95[0]) + kLine / 2;
             return over(x - 7, x + 7, axes.y(point.share)) ||
                    (beside_bar && label.begin() < x + 5 && x - 5 < label.begin() + label.width);
           });
  };
  for (const ChartPoint& point : points) {
    const double width = kCharacter * static_cast<double>(point.label.size());
    const double x = axes.x(point.x);
    const double y = axes.y(point.share);
    Label best{.x = x + kGap, .y = y, .left = false, .width = width};
    bool found = false;
    for (int step = 0; step < 24 && !found; ++step) {
      for (const bool left : {false, true}) {
        const int lines = (step + 1) / 2;
        const double shift = (step % 2 == 0 ? 1 : -1) * kLine * lines;
        const Label label{.x = left ? x - kGap : x + kGap, .y = y + shift, .left = left, .width = width};
        const bool inside = label.begin() >= 2 && label.begin() + width <= axes.left + axes.width + 16 &&
                            label.y >= axes.top - 4 && label.y <= axes.top + axes.height - 6;
        if (!inside || covered(label)) continue;
        best = label;
        found = true;
        break;
      }
    }
    placed.push_back(best);
  }
  return placed;
}

std::string frame_of(const Axes& axes, const std::string& x_title, Dimension x_dimension) {
  std::string svg;
  const double step = axes.y_high - axes.y_low > 0.4 ? 0.1 : 0.05;
  const double bottom = axes.top + axes.height;
  const auto steps = static_cast<int>(std::lround((axes.y_high - axes.y_low) / step));
  for (int i = 0; i <= steps; ++i) {
    const double share = axes.y_low + step * i;
    svg += line(axes.left, axes.y(share), axes.left + axes.width, axes.y(share), "grid");
    svg += text_at(axes.left - 8, axes.y(share) + 4, "tick end", fmt::format("{:.0f} %", 100 * share));
  }
  for (const double tick : ticks_of(axes)) {
    svg += line(axes.x(tick), axes.top, axes.x(tick), bottom, "grid");
    svg += text_at(axes.x(tick), bottom + 18, "tick middle", tick_text(tick, x_dimension));
  }
  svg += line(axes.left, bottom, axes.left + axes.width, bottom, "axis");
  return svg + text_at(axes.left + axes.width / 2, bottom + 38, "title middle", x_title);
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string scatter_chart(const std::vector<ChartPoint>& points, const std::string& x_title,
                          Dimension x_dimension) {
  std::vector<ChartPoint> shown;
  for (const ChartPoint& point : points) {
    if (point.x > 0) shown.push_back(point);
  }
  if (shown.empty()) return "<p>Nothing was measured.</p>";
  const auto [least, most] = std::ranges::minmax(shown, {}, &ChartPoint::x);
  const auto [y_low, y_high] = share_range(shown);
  constexpr double kMargin = 0.12, kNarrowest = 0.25;  // decades
  double x_low = std::log10(least.x) - kMargin;
  double x_high = std::log10(most.x) + kMargin;
  if (x_high - x_low < 2 * kNarrowest) {
    const double middle = (x_low + x_high) / 2;
    x_low = middle - kNarrowest;
    x_high = middle + kNarrowest;
  }
  const Axes axes{.left = 56,
                  .top = 12,
                  .width = 548,
                  .height = 280,
                  .x_low = x_low,
                  .x_high = x_high,
                  .y_low = y_low,
                  .y_high = y_high};
  std::string svg = "<svg viewBox=\"0 0 620 340\" role=\"img\">\n";
  svg += fmt::format("<title>Accuracy against {}</title>\n", escaped(x_title));
  svg += frame_of(axes, x_title, x_dimension);
  const auto labels = place_labels(shown, axes);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const ChartPoint& point = shown[i];
    const double x = axes.x(point.x), y = axes.y(point.share);
    const double low = axes.y(point.interval95[0]), high = axes.y(point.interval95[1]);
    svg += fmt::format("<g class=\"s{}\"><title>{}: {:.1f} % ({:.1f} to {:.1f}), {}</title>\n",
                       point.series % 8, escaped(point.label), 100 * point.share, 100 * point.interval95[0],
                       100 * point.interval95[1], escaped(format_quantity(point.x, x_dimension)));
    svg += line(x, low, x, high, "bar") + line(x - 4, low, x + 4, low, "bar") +
           line(x - 4, high, x + 4, high, "bar");
    svg += marker(point.shape, x, y) + "</g>\n";
    if (std::abs(labels[i].y - y) > 12) {
      svg += line(x, y, labels[i].x + (labels[i].left ? 2 : -2), labels[i].y, "leader");
    }
    svg += text_at(labels[i].x, labels[i].y + 4, labels[i].left ? "label end" : "label", point.label);
  }
  return svg + "</svg>\n";
}

std::string reliability_chart(const Reliability& reliability) {
  constexpr double kLeft = 44, kTop = 8, kSide = 190;
  const auto x = [](double share) { return kLeft + share * kSide; };
  const auto y = [](double share) { return kTop + (1 - share) * kSide; };
  std::string svg = "<svg viewBox=\"0 0 256 236\" role=\"img\">\n<title>Reliability</title>\n";
  for (const double tick : {0.0, 0.5, 1.0}) {
    svg += line(x(0), y(tick), x(1), y(tick), "grid");
    svg += text_at(x(0) - 6, y(tick) + 4, "tick end", fmt::format("{:.0f} %", 100 * tick));
    svg += text_at(x(tick), y(0) + 16, "tick middle", fmt::format("{:.0f} %", 100 * tick));
  }
  for (const ReliabilityBin& bin : reliability.bins) {
    if (bin.count == 0) continue;
    svg += fmt::format(
        "<g><title>said {:.1f} %, right {:.1f} % of {}</title><rect x=\"{:.1f}\" y=\"{:.1f}\" "
        "width=\"{:.1f}\" "
        "height=\"{:.1f}\" class=\"bin\"/><circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" class=\"mean\"/></g>\n",
        100 * bin.mean_confidence, 100 * bin.accuracy, bin.count, x(bin.low) + 1.5, y(bin.accuracy),
        kSide * (bin.high - bin.low) - 3, kSide * bin.accuracy, x(bin.mean_confidence), y(bin.accuracy));
  }
  svg += line(x(0), y(0), x(1), y(1), "ideal");
  svg += line(x(0), y(0), x(1), y(0), "axis");
  return svg + text_at(x(0.5), y(0) + 32, "title middle", "confidence, against share right") + "</svg>\n";
}

std::string confusion_chart(const Confusion& confusion) {
  const std::size_t labels = confusion.labels.size();
  bool others = confusion.pictures(labels) > 0;  // the row and column beside the labels
  for (std::size_t row = 0; row < labels; ++row) others = others || confusion.counts[row][labels] > 0;
  const std::size_t n = labels + (others ? 1 : 0);
  constexpr double kCell = 38, kLeft = 92, kTop = 8;
  const double side = kCell * static_cast<double>(n);
  const auto name = [&](std::size_t i, const char* last) { return i < labels ? confusion.labels[i] : last; };
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\">\n<title>Confusion matrix: truth in rows, answer in "
      "columns</title>\n",
      kLeft + side + 40, kTop + side + 78);
  for (std::size_t row = 0; row < n; ++row) {
    const double y = kTop + kCell * static_cast<double>(row);
    svg += text_at(kLeft - 8, y + kCell / 2 + 4, "tick end", name(row, "none of them"));
    const auto total = static_cast<double>(std::max<std::size_t>(1, confusion.pictures(row)));
    for (std::size_t column = 0; column < n; ++column) {
      const std::size_t count = confusion.counts[row][column];
      const double share = static_cast<double>(count) / total;
      const double x = kLeft + kCell * static_cast<double>(column);
      svg += fmt::format(
          "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" class=\"cell\" "
          "fill-opacity=\"{:.2f}\"/>\n",
          x + 1, y + 1, kCell - 2, kCell - 2, count == 0 ? 0.04 : 0.12 + 0.88 * share);
      if (count == 0) continue;
      svg += text_at(x + kCell / 2, y + kCell / 2 + 4, share > 0.5 ? "count strong" : "count",
                     fmt::format("{}", count));
    }
  }
  for (std::size_t column = 0; column < n; ++column) {
    const double x = kLeft + kCell * (static_cast<double>(column) + 0.5);
    svg += fmt::format("<text transform=\"translate({:.0f} {:.0f}) rotate(35)\" class=\"tick\">{}</text>\n",
                       x - 4, kTop + side + 14, escaped(name(column, "no answer")));
  }
  return svg + "</svg>\n";
}

}  // namespace fovea::evaluate
