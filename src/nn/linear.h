#pragma once

#include <cstddef>
#include <initializer_list>

#include "kernels/kernels.h"
#include "nn/activations.h"
#include "nn/compute.h"
#include "nn/weight.h"

namespace fovea::nn {

using kernels::Epilogue;

/// One of the products that share their input.
struct Product {
  const Linear& layer;
  float* out;  ///< [rows, layer's rows]
  Epilogue epilogue = Epilogue::kStore;
};

/// x, filled for the precision of the layers' weights, through every layer, as one parallel loop. No `out`
/// may overlap another or what x looks at.
void linear(const Compute& compute, const Activations& x, std::initializer_list<Product> products);

/// x [rows, in] to out [rows, out]. `out` must not overlap `x`.
void linear(const Compute& compute, const Linear& layer, const float* x, std::size_t rows, float* out,
            Epilogue epilogue = Epilogue::kStore);

}  // namespace fovea::nn
