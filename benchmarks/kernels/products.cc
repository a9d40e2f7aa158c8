// Products in the shapes of the models, cut into tasks for a team as nn/linear.cc does it, with every set,
// all in turn with the set's own peak.

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/clock.h"
#include "kernels/peaks.h"
#include "measure.h"

namespace fovea::kernels {

Product::Product(Shape shape)
    : shape_(shape),
      stride_(kPackedStep * (shape.k / kPackedStep | 1)),
      a_(filled<std::uint8_t>(shape.m * stride_, 130)),
      b_(filled<std::uint8_t>(shape.n * shape.k, 3)),
      multipliers_(filled<std::uint8_t>(shape.n * shape.k / kInt4GroupSize, 5)),
      scratch_(kScratchBlocks * kPackedColumns * shape.k),
      sums_(filled<std::int32_t>(shape.n, 1)),
      a_scales_(filled(shape.m, 1e-3F)),
      b_scales_(filled(shape.n, 1e-3F)),
      bias_(filled(shape.n, 0.5F)),
      c_(filled(shape.m * shape.n, 0.0F)) {}

MatmulQuantized Product::operands(Epilogue epilogue) {
  return {.a = a_.data(),
          .lda = stride_,
          .a_scales = a_scales_.data(),
          .b = b_.data(),
          .b_multipliers = multipliers_.data(),
          .b_sums = sums_.data(),
          .b_scales = b_scales_.data(),
          .bias = bias_.data(),
          .scratch = scratch_.data(),
          .c = c_.data(),
          .ldc = shape_.n,
          .m = shape_.m,
          .n = shape_.n,
          .k = shape_.k,
          .epilogue = epilogue};
}

std::vector<Measured> measure_in_turn(const std::vector<Candidate>& candidates) {
  constexpr std::size_t kRounds = 15;
  constexpr double kRoundMs = 4;
  std::vector<std::vector<double>> rates(candidates.size()), shares(candidates.size());
  for (std::size_t round = 0; round <= kRounds; ++round) {
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const Stopwatch watch;
      double operations = 0;
      do {
        candidates[i].call();
        operations += candidates[i].operations;
      } while (watch.elapsed_ms() < kRoundMs);
      if (round == 0) continue;  // finds its memory and its caches
      rates[i].push_back(1e-6 * operations / watch.elapsed_ms());
      shares[i].push_back(rates[i].back() / rates[0].back());
    }
  }
  std::vector<Measured> measured;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    std::ranges::sort(rates[i]);
    std::ranges::sort(shares[i]);
    measured.push_back({.rate = rates[i][kRounds / 2],
                        .best_rate = rates[i].back(),
                        .share = shares[i][kRounds / 2],
                        .best_share = rates[i].back() / rates[0].back()});
  }
  return measured;
}

namespace {

using Matmul = std::function<void(const MatmulQuantized&)>;

/// The whole product by the team: blocks of rows that fit the second cache, columns as the threads need them.
void multiply(WorkerTeam& team, const MatmulQuantized& whole, const Matmul& matmul, bool int4,
              tensor::Buffer<std::uint8_t>& scratch) {
  constexpr std::size_t kRowStep = 12, kColumnStep = 64, kBlockBytes = 384 * 1024;
  const std::size_t rows = std::min(whole.m, std::max(kRowStep, kBlockBytes / whole.k / kRowStep * kRowStep));
  const std::size_t row_blocks = (whole.m + rows - 1) / rows;
  const std::size_t wanted = (4 * team.size() + row_blocks - 1) / row_blocks;
  const std::size_t columns = (whole.n / wanted + kColumnStep - 1) / kColumnStep * kColumnStep;
  const std::size_t column_blocks = (whole.n + columns - 1) / columns;
  const std::size_t scratch_bytes = kScratchBlocks * kPackedColumns * whole.k;
  scratch.reserve(row_blocks * column_blocks * scratch_bytes);
  team.parallel_for(row_blocks * column_blocks, [&](std::size_t task) {
    const std::size_t row = task / column_blocks * rows, column = task % column_blocks * columns;
    MatmulQuantized part = whole;
    part.a += row * part.lda;
    part.a_scales += row;
    part.b += column * part.k / (int4 ? 2 : 1);
    part.b_multipliers += column * part.k / kInt4GroupSize;
    part.b_sums += column;
    part.b_scales += column;
    part.bias += column;
    part.scratch = scratch.data() + task * scratch_bytes;
    part.c += row * part.ldc + column;
    part.m = std::min(rows, whole.m - row);
    part.n = std::min(columns, whole.n - column);
    matmul(part);
  });
}

Candidate peak(WorkerTeam& team, const PeakLoop& loop) {
  constexpr std::size_t kRounds = 2000, kPieces = 24;
  return {.name = "peak", .operations = loop.operations * kRounds * kPieces, .call = [&team, &loop] {
            team.parallel_for(kPieces, [&](std::size_t) { loop.run(kRounds); });
          }};
}

constexpr Shape kShapes[] = {{1024, 768, 768}, {1024, 3072, 768}, {1024, 768, 3072}, {872, 960, 960},
                             {872, 320, 960},  {872, 2560, 960},  {872, 960, 2560},  {1024, 384, 384},
                             {1024, 704, 384}, {1024, 384, 704},  {192, 768, 768}};

void bench_set(WorkerTeam& team, const Kernels& kernels) {
  const PeakLoop& loop = find_peak_loops(kernels.isa)->int8;
  tensor::Buffer<std::uint8_t> scratch;
  for (const Shape& shape : kShapes) {
    Product product(shape);
    std::vector<Candidate> candidates = {peak(team, loop)};
    const auto add = [&](const char* name, Epilogue epilogue, bool int4) {
      const MatmulQuantized operands = product.operands(epilogue);
      const Matmul matmul = int4 ? kernels.matmul_int4 : kernels.matmul_int8;
      candidates.push_back({name, shape.operations(),
                            [=, &team, &scratch] { multiply(team, operands, matmul, int4, scratch); }});
    };
    add("int8", Epilogue::kStore, false);
    add("int8 +=", Epilogue::kAdd, false);
    add("int8 GELU", Epilogue::kGeluTanh, false);
    add("int4", Epilogue::kStore, true);
    const std::vector<Measured> measured = measure_in_turn(candidates);
    fmt::print("{:10} {:4} x {:4} x {:4}   peak {:6.0f}", kernels.isa, shape.m, shape.n, shape.k,
               measured[0].rate);
    for (std::size_t i = 1; i < candidates.size(); ++i) {
      fmt::print("   {} {:5.0f} ({:2.0f}, {:2.0f} %)", candidates[i].name, measured[i].rate,
                 100 * measured[i].share, 100 * measured[i].best_share);
    }
    fmt::print("\n");
  }
}

}  // namespace

void bench_model_products(WorkerTeam& team, const std::vector<const Kernels*>& sets) {
  fmt::print("{} threads; GOP/s, medians (and shares of the set's peak: median of rounds, best by best)\n",
             team.size());
  for (const Kernels* kernels : sets) bench_set(team, *kernels);
#if defined(__x86_64__)
  const bool tiles = std::ranges::any_of(
      sets, [](const Kernels* kernels) { return std::string_view(kernels->isa) == "amx"; });
  if (!tiles) return;
  const std::vector<Candidate> loops = tile_loops();
  const std::vector<Measured> measured = measure_in_turn(loops);
  fmt::print("2 x 2 tile products, one thread, operands in ...\n");
  for (std::size_t i = 0; i < loops.size(); ++i) {
    fmt::print("  {:57} {:5.0f} GOP/s ({:3.0f} %), {:5.1f} cycles a step where the peak takes 64\n",
               loops[i].name, measured[i].best_rate, 100 * measured[i].best_share,
               64 / measured[i].best_share);
  }
#endif
}

}  // namespace fovea::kernels
