#include "kernels/peaks.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <vector>

#include "base/clock.h"

namespace fovea::kernels {

namespace portable {
PeakLoops peak_loops();
}
#if defined(__x86_64__)
namespace avx2 {
PeakLoops peak_loops();
}
namespace avxvnni {
PeakLoops peak_loops();
}
namespace avx512vnni {
PeakLoops peak_loops();
}
namespace avx512bf16 {
PeakLoops peak_loops();
}
namespace amx {
PeakLoops peak_loops();
}
#elif defined(__aarch64__)
namespace neon {
PeakLoops peak_loops();
}
#endif

namespace {

struct Entry {
  std::string_view isa;
  PeakLoops loops;
};

const auto& table() {
  static const auto entries = std::to_array<Entry>({
      {"portable", portable::peak_loops()},
#if defined(__x86_64__)
      {"avx2", avx2::peak_loops()},
      {"avxvnni", avxvnni::peak_loops()},
      {"avx512vnni", avx512vnni::peak_loops()},
      {"avx512bf16", avx512bf16::peak_loops()},
      {"amx", amx::peak_loops()},
#elif defined(__aarch64__)
      {"neon", neon::peak_loops()},
#endif
  });
  return entries;
}

// Work is cut finer than threads, so that one that starts late does not double the time.
constexpr std::size_t kPiecesPerThread = 12;
constexpr double kPieceMs = 0.6;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// 10^9 operations a second.
double measure(const PeakLoop& loop, WorkerTeam& team, int rounds) {
  // As many repetitions as make a piece long enough to time; the first ones wake the processor up.
  std::size_t repetitions = 1000;
  for (double elapsed = 0; elapsed < kPieceMs; repetitions *= 2) {
    const Stopwatch watch;
    loop.run(repetitions);
    elapsed = watch.elapsed_ms();
  }
  const std::size_t pieces = team.size() * kPiecesPerThread;
  const double operations = loop.operations * static_cast<double>(repetitions) * static_cast<double>(pieces);
  std::vector<double> rates;
  for (int round = 0; round <= rounds; ++round) {
    const Stopwatch watch;
    team.parallel_for(pieces, [&](std::size_t) { loop.run(repetitions); });
    if (round > 0) rates.push_back(operations / watch.elapsed_ms() * 1e-6);
  }
  return median(std::move(rates));
}

/// Memory that no other part of the process uses, in huge pages where the system gives them.
class ReadBuffer {
 public:
  explicit ReadBuffer(std::size_t bytes) : bytes_(bytes) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    data_ = static_cast<std::byte*>(memory);
    ::madvise(memory, bytes, MADV_HUGEPAGE);  // only advice: small pages do, a little slower
  }
  ~ReadBuffer() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
  }
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_;
};

/// 10^9 bytes a second.
Result<double> measure_read(const PeakLoops& loops, WorkerTeam& team, const PeakOptions& options) {
  constexpr std::size_t kPiece = std::size_t{4} << 20;
  const std::size_t pieces = std::max<std::size_t>(1, options.read_bytes / kPiece);
  const ReadBuffer buffer(pieces * kPiece);
  if (buffer.data() == nullptr) {
    return fail(
        ErrorCode::kUnavailable,
        fmt::format("no memory for {} bytes, which measuring the memory's speed takes", pieces * kPiece));
  }
  team.parallel_for(pieces, [&](std::size_t i) {
    constexpr std::size_t kPage = 4096;
    for (std::size_t at = 0; at < kPiece; at += kPage) buffer.data()[i * kPiece + at] = std::byte{1};
  });
  std::atomic<std::uint64_t> sum = 0;
  std::vector<double> rates;
  for (int round = 0; round < options.rounds; ++round) {
    const Stopwatch watch;
    team.parallel_for(pieces, [&](std::size_t i) {
      sum.fetch_add(loops.read(buffer.data() + i * kPiece, kPiece), std::memory_order_relaxed);
    });
    rates.push_back(static_cast<double>(pieces * kPiece) / watch.elapsed_ms() * 1e-6);
  }
  if (sum == 0) return fail(ErrorCode::kInternal, "memory that was written came back as zeros");
  return median(std::move(rates));
}

}  // namespace

const PeakLoops* find_peak_loops(std::string_view isa) {
  const auto& entries = table();
  const auto* const found = std::ranges::find(entries, isa, &Entry::isa);
  return found == entries.end() ? nullptr : &found->loops;
}

double Peaks::largest_change(const Peaks& later) const {
  double largest = 0;
  for (const auto member : {&Peaks::f32_gflops, &Peaks::bf16_gflops, &Peaks::int8_gops, &Peaks::read_gbps}) {
    largest = std::max(largest, std::abs(later.*member / this->*member - 1));
  }
  return largest;
}

Result<Peaks> measure_peaks(const Kernels& kernels, WorkerTeam& team, const PeakOptions& options) {
  const PeakLoops* loops = find_peak_loops(kernels.isa);
  if (loops == nullptr) {
    return fail(ErrorCode::kInternal, fmt::format("the peaks of {} cannot be measured", kernels.isa));
  }
  Peaks peaks;
  FOVEA_TRY(peaks.read_gbps, measure_read(*loops, team, options));
  peaks.f32_gflops = measure(loops->f32, team, options.rounds);
  peaks.bf16_gflops = measure(loops->bf16, team, options.rounds);
  peaks.int8_gops = measure(loops->int8, team, options.rounds);
  return peaks;
}

}  // namespace fovea::kernels
