#include "kernels/resample.h"

#include <string_view>

namespace fovea::kernels {

namespace portable {
ResampleKernels resample_kernels();
}
#if defined(__x86_64__)
namespace avx2 {
ResampleKernels resample_kernels();
}
#endif

ResampleKernels resample_kernels([[maybe_unused]] const Kernels& kernels) {
#if defined(__x86_64__)
  if (std::string_view(kernels.isa) != "portable") return avx2::resample_kernels();
#endif
  return portable::resample_kernels();
}

}  // namespace fovea::kernels
