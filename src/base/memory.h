#pragma once

#include <cstddef>

#include "base/result.h"

namespace fovea {

/// Keeps everything that the process has in memory now there, the weights of an open model first of all: none
/// of it is written to swap or dropped from a mapped file. Errors (kIo): the limit on locked memory (`ulimit
/// -l`), with what to do; everything goes on as before then.
Result<void> lock_memory();

/// Asks for huge pages under everything of 2 MiB and more that the process holds now, mapped files too where
/// the file system can. Gives the bytes for which the system agreed. Errors (kIo): it agreed for none.
Result<std::size_t> use_huge_pages();

}  // namespace fovea
