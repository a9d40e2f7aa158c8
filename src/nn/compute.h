#pragma once

#include "base/worker_team.h"
#include "kernels/kernels.h"

namespace fovea::nn {

/// What layers compute with: the kernels of one instruction set and the team of threads. Both outlive it.
/// Used by one thread at a time.
struct Compute {
  const kernels::Kernels& kernels;
  WorkerTeam& team;
};

}  // namespace fovea::nn
