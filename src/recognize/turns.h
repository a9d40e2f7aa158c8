#pragma once

#include <optional>
#include <span>

#include "image/image.h"
#include "recognize/reader.h"
#include "tasks/task.h"

namespace fovea::recognize {

/// How a picture is turned before it is read, as EXIF counts orientations (1 to 8), the likeliest first: by a
/// quarter to either side where the task's things stand and the picture lies, then as it came.
std::span<const int> turns_of(const tasks::Task& task, const image::Image& picture);

/// Keeps the surer of two readings of one picture, by the probability of all its values together; a reading
/// is surer than an error, and of two errors the first stays. Its timings become those of both.
void keep_surer(std::optional<Reading>& best, Reading reading);

}  // namespace fovea::recognize
