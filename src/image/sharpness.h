#pragma once

#include "image/image.h"

namespace fovea::image {

/// How sharp a picture is: the variance of the Laplacian (four neighbours) of its brightness, 0 to 255, taken
/// at every pixel but those at the rim. 0 for one without detail; blurred photos have some tens, sharp ones
/// hundreds. It depends on the picture's size and motif: compare pictures of one camera. After Pech-Pacheco
/// et al., Diatom autofocusing in brightfield microscopy (2000).
double sharpness(const Image& image);

}  // namespace fovea::image
