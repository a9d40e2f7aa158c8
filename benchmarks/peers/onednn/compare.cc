// oneDNN's int8 products beside fovea's on the shapes of the 500M model, one thread, round by round in turn.
// Prints a line for each shape: medians in GOP/s (products) or GB/s of weights (one row).
//
// oneDNN gets what suits it best: unsigned activations, weights in the order it asks for, int32 results
// without scales. fovea's figures include the scales, and with `quantise` the rounding of its float
// activations too.

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <dnnl.hpp>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace {

double seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Function>
double time_of(Function function) {
  constexpr double kLeast = 0.03;
  const double start = seconds();
  int calls = 0;
  while (seconds() - start < kLeast) {
    function();
    ++calls;
  }
  return (seconds() - start) / calls;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// One product in oneDNN. Several copies of the weights, taken in turn, keep those of one row out of cache.
class OneDnn {
 public:
  OneDnn(std::int64_t m, std::int64_t n, std::int64_t k, int copies) {
    using dnnl::memory;
    const memory::desc any({k, n}, memory::data_type::s8, memory::format_tag::any);
    const memory::desc a({m, k}, memory::data_type::u8, memory::format_tag::ab);
    const memory::desc c({m, n}, memory::data_type::s32, memory::format_tag::ab);
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, any, c), engine_);
    name_ = description.impl_info_str();
    primitive_ = dnnl::matmul(description);
    a_ = memory(a, engine_);
    c_ = memory(c, engine_);
    std::fill_n(static_cast<std::uint8_t*>(a_.get_data_handle()), m * k, std::uint8_t{130});
    for (int i = 0; i < copies; ++i) {
      weights_.emplace_back(description.weights_desc(), engine_);
      std::fill_n(static_cast<std::uint8_t*>(weights_.back().get_data_handle()),
                  description.weights_desc().get_size(), std::uint8_t{3});
    }
  }
  void run() {
    next_ = (next_ + 1) % weights_.size();
    primitive_.execute(stream_,
                       {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, weights_[next_]}, {DNNL_ARG_DST, c_}});
    stream_.wait();
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::matmul primitive_;
  dnnl::memory a_, c_;
  std::vector<dnnl::memory> weights_;
  std::size_t next_ = 0;
  std::string name_;
};

class Fovea {
 public:
  Fovea(std::size_t m, std::size_t n, std::size_t k, int copies)
      : m_(m),
        n_(n),
        k_(k),
        x_(m * k, 0.5F),
        a_(m * (k + 64), 130),
        b_(static_cast<std::size_t>(copies) * n * k, 3),
        sums_(n, 1),
        a_scales_(m, 1e-3F),
        b_scales_(n, 1e-3F),
        c_(m * n),
        copies_(static_cast<std::size_t>(copies)) {}
  void run() {
    next_ = (next_ + 1) % copies_;
    kernels_.matmul_int8({.a = a_.data(),
                          .lda = k_ + 64,
                          .a_scales = a_scales_.data(),
                          .b = b_.data() + next_ * n_ * k_,
                          .b_multipliers = nullptr,
                          .b_sums = sums_.data(),
                          .b_scales = b_scales_.data(),
                          .bias = nullptr,
                          .scratch = nullptr,
                          .c = c_.data(),
                          .ldc = n_,
                          .m = m_,
                          .n = n_,
                          .k = k_,
                          .epilogue = fovea::kernels::Epilogue::kStore});
  }
  void quantise_and_run() {
    for (std::size_t i = 0; i < m_; ++i) {
      kernels_.hadamard(x_.data() + i * k_, k_, 64);
      a_scales_[i] = kernels_.quantize_row(x_.data() + i * k_, k_, k_, a_.data() + i * (k_ + 64));
    }
    std::fill(x_.begin(), x_.end(), 0.5F);  // the transform is in place: values would grow from call to call
    run();
  }

 private:
  const fovea::kernels::Kernels& kernels_ = **fovea::kernels::active_kernels();
  std::size_t m_, n_, k_;
  std::vector<float> x_;
  std::vector<std::uint8_t> a_, b_;
  std::vector<std::int32_t> sums_;
  std::vector<float> a_scales_, b_scales_, c_;
  std::size_t copies_, next_ = 0;
};

void compare(std::size_t m, std::size_t n, std::size_t k) {
  constexpr int kRounds = 9;
  constexpr std::size_t kBeyondCache = std::size_t{96} << 20;
  const int copies = m == 1 ? static_cast<int>(kBeyondCache / (n * k)) + 1 : 1;
  OneDnn theirs(static_cast<std::int64_t>(m), static_cast<std::int64_t>(n), static_cast<std::int64_t>(k),
                copies);
  Fovea ours(m, n, k, copies);
  std::vector<double> their_times, our_times, whole_times;
  for (int round = 0; round < kRounds; ++round) {
    their_times.push_back(time_of([&] { theirs.run(); }));
    our_times.push_back(time_of([&] { ours.run(); }));
    if (m > 1) whole_times.push_back(time_of([&] { ours.quantise_and_run(); }));
  }
  const double work = (m == 1 ? 1.0 : 2.0 * static_cast<double>(m)) * static_cast<double>(n * k) * 1e-9;
  std::printf("%4zu x %5zu x %4zu   oneDNN %6.1f (%s)   fovea %6.1f", m, n, k, work / median(their_times),
              theirs.name().c_str(), work / median(our_times));
  if (m > 1) std::printf("   with rounding %6.1f", work / median(whole_times));
  std::printf(m == 1 ? "   GB/s\n" : "   GOP/s\n");
}

}  // namespace

int main() {
  std::printf("fovea: %s\n", (*fovea::kernels::active_kernels())->isa);
  compare(1024, 768, 768);
  compare(1024, 3072, 768);
  compare(1024, 768, 3072);
  compare(872, 960, 960);
  compare(872, 320, 960);
  compare(872, 2560, 960);
  compare(1, 960, 960);
  compare(1, 2560, 960);
  compare(1, 49280, 960);
}
