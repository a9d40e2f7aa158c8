#pragma once

#include "catalog/catalog.h"
#include "recognize/recognition.h"
#include "tasks/task.h"

namespace fovea::recognize {

/// What follows a reading, whoever read it: white space of the texts is put in order, the task's validators
/// run, and the catalogue, where there is one (null: none), names the entries most like it. A catalogue that
/// fails leaves `candidates` empty: the reading stands without it. Does nothing to a recognition that failed.
void judge(const tasks::Task& task, catalog::Catalog* catalogue, Recognition& recognition);

}  // namespace fovea::recognize
