// How near the kernels come to what each instruction set can do: products, decoding and attention in one
// thread, for every set of this processor or for those named on the command line. Time is the thread's own
// processor time, so that other programs disturb little. --products: products in the models' shapes alone, by
// a team of two threads or as many as named, beside each set's peak (products.cc). --fork-join: what a
// parallel loop of such a team costs (fork_join.cc).

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/peaks.h"
#include "measure.h"

namespace fovea::kernels {
namespace {

double seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Seconds of one call, the median of rounds: fewer where one takes long.
template <class Function>
double time(Function function) {
  constexpr std::size_t kRounds = 11;
  constexpr double kRoundSeconds = 0.015, kEnoughSeconds = 0.4;
  std::vector<double> rounds;
  const double begin = seconds();
  while (rounds.empty() || (rounds.size() < kRounds && seconds() - begin < kEnoughSeconds)) {
    const double start = seconds();
    int calls = 0;
    do {
      function();
      ++calls;
    } while (seconds() - start < kRoundSeconds);
    rounds.push_back((seconds() - start) / calls);
  }
  const auto middle = rounds.begin() + static_cast<std::ptrdiff_t>(rounds.size() / 2);
  std::ranges::nth_element(rounds, middle);
  return *middle;
}

void bench_products(const Kernels& kernels, double peak) {
  for (const Shape shape : {Shape{192, 768, 768}, Shape{1024, 768, 768}, Shape{1024, 3072, 768},
                            Shape{1024, 768, 3072}, Shape{872, 2560, 960}}) {
    Product product(shape);
    const double operations = 1e-9 * shape.operations();
    const MatmulQuantized store = product.operands(Epilogue::kStore);
    const MatmulQuantized gelu = product.operands(Epilogue::kGeluTanh);
    const double int8 = operations / time([&] { kernels.matmul_int8(store); });
    const double with_gelu = operations / time([&] { kernels.matmul_int8(gelu); });
    const double int4 = operations / time([&] { kernels.matmul_int4(store); });
    fmt::print(
        "  {:4} x {:4} x {:4}   int8 {:6.0f} GOP/s ({:3.0f} %)   with GELU {:6.0f} ({:3.0f} %)"
        "   int4 {:6.0f} ({:3.0f} %)\n",
        shape.m, shape.n, shape.k, int8, 100 * int8 / peak, with_gelu, 100 * with_gelu / peak, int4,
        100 * int4 / peak);
  }
}

void bench_decode(const Kernels& kernels, double read) {
  Product product({1, 98'304, 960});
  const MatmulQuantized row = product.operands(Epilogue::kStore);
  const double bytes = 1e-9 * static_cast<double>(product.weight_bytes());
  const double int8 = bytes / time([&] { kernels.matmul_int8(row); });
  const double int4 = 0.5 * (1 + 1.0 / 16) * bytes / time([&] { kernels.matmul_int4(row); });
  fmt::print("  one row, weights from memory   int8 {:.1f} GB/s ({:.0f} %)   int4 {:.1f} GB/s ({:.0f} %)\n",
             int8, 100 * int8 / read, int4, 100 * int4 / read);
}

void bench_attention(const Kernels& kernels, double peak) {
  constexpr std::size_t kPositions = 1024, kHeadDim = 64;
  const auto q = filled(kAttentionRows * kHeadDim, BFloat16{}),
             keys = filled(kPositions * kHeadDim, BFloat16{}),
             values = filled(kPositions * kHeadDim, BFloat16{});
  auto out = filled(kAttentionRows * kHeadDim, 0.0F);
  std::vector<float> tops(kAttentionRows), totals(kAttentionRows);
  const std::vector<std::uint32_t> visible(kAttentionRows, kPositions);
  const AttentionBf16 attention{.q = q.data(),
                                .ldq = kHeadDim,
                                .keys = keys.data(),
                                .values = values.data(),
                                .value_pairs = kPositions / 2,
                                .visible = visible.data(),
                                .first = 0,
                                .last = kPositions,
                                .scale = 0.125F,
                                .out = out.data(),
                                .out_stride = kHeadDim,
                                .tops = tops.data(),
                                .totals = totals.data(),
                                .rows = kAttentionRows,
                                .head_dim = kHeadDim};
  const double operations = 4e-9 * kAttentionRows * kPositions * kHeadDim;
  const double rate = operations / time([&] { kernels.attention_bf16(attention); });
  fmt::print("  attention, {} positions   {:.0f} GFLOP/s ({:.0f} %)\n", kPositions, rate, 100 * rate / peak);
}

double rate(const PeakLoop& loop) {
  constexpr std::size_t kRepetitions = 20'000;
  return 1e-9 * loop.operations * kRepetitions / time([&] { loop.run(kRepetitions); });
}

double read_rate(const PeakLoops& loops) {
  const std::vector<std::byte> memory(std::size_t{256} << 20, std::byte{1});
  return 1e-9 * static_cast<double>(memory.size()) /
         time([&] { static_cast<void>(loops.read(memory.data(), memory.size())); });
}

void bench(const Kernels& kernels) {
  const PeakLoops& loops = *find_peak_loops(kernels.isa);
  const double int8 = rate(loops.int8), bf16 = rate(loops.bf16), read = read_rate(loops);
  fmt::print("{}   peaks: int8 {:.0f} GOP/s, bf16 {:.0f} GFLOP/s, f32 {:.0f} GFLOP/s, memory {:.1f} GB/s\n",
             kernels.isa, int8, bf16, rate(loops.f32), read);
  bench_products(kernels, int8);
  bench_decode(kernels, read);
  bench_attention(kernels, bf16);
}

}  // namespace
}  // namespace fovea::kernels

// kernels_bench [--products|--fork-join [--threads N]] [ISA ...]
int main(int argc, char** argv) {
  using namespace fovea::kernels;
  bool products = false, fork_join = false;
  std::size_t threads = 2;
  std::vector<std::string_view> names;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--products") {
      products = true;
    } else if (argument == "--fork-join") {
      fork_join = true;
    } else if (argument == "--threads" && i + 1 < argc) {
      threads = static_cast<std::size_t>(std::max(1, std::atoi(argv[++i])));
    } else {
      names.push_back(argument);
    }
  }
  std::vector<const Kernels*> sets;
  for (const Kernels* kernels : supported_kernels()) {
    const bool wanted = names.empty() || std::ranges::find(names, kernels->isa) != names.end();
    if (wanted) sets.push_back(kernels);
  }
  if (fork_join) {
    fovea::WorkerTeam team(threads);
    bench_fork_join(team);
  } else if (products) {
    fovea::WorkerTeam team(threads);
    bench_model_products(team, sets);
  } else {
    for (const Kernels* kernels : sets) bench(*kernels);
  }
}
