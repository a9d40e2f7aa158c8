#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "image/image.h"
#include "recognize/reader.h"
#include "tasks/task.h"

namespace fovea::recognize {

/// How a picture is turned before it is read, as EXIF counts orientations (1 to 8), the likeliest first.
/// Where the task's things stand: a lying picture by a quarter to either side, then as it came; a standing
/// one as it came, then by a half.
std::span<const int> turns_of(const tasks::Task& task, const image::Image& picture);

/// Counts the changes to how pictures are turned and which reading counts. Part of every answer's key, so
/// that answers which an older program stored are not taken for this one's: raise it with every such change.
inline constexpr std::string_view kTurnsRevision = "2";

/// Below which probability that a whole reading is right the picture is read again, turned by `turn`, if a
/// field is less sure than the task accepts.
double doubt_before(int turn);

/// Keeps the surer of two readings of one picture, by the probability of all its values together; a reading
/// is surer than an error, and of two errors the first stays. Its timings become those of both.
void keep_surer(std::optional<Reading>& best, Reading reading);

}  // namespace fovea::recognize
