#pragma once

#include <cstddef>
#include <span>

#include "catalog/catalog.h"
#include "recognize/recognition.h"
#include "reviews/reviews.h"
#include "tasks/task.h"

namespace fovea::recognize {

/// What follows a reading, whoever read it: white space of the texts is put in order, the task's validators
/// run, and the catalogue, where there is one (null: none), names the entries most like it. A catalogue that
/// fails leaves `candidates` empty: the reading stands without it. Does nothing to a recognition that failed.
void judge(const tasks::Task& task, catalog::Catalog* catalogue, Recognition& recognition);

/// The model that a request insists on: its own word, or its task's model of that role. Empty: any.
/// Errors (kModelUnavailable): the task has no model of that role.
Result<std::string> model_wanted(const Request& request, const tasks::Task& task);

/// judge(), then a review, where one is due of an answer that was computed now: a queue (null: none) that
/// fails costs the review, never the answer. `bytes` are the picture's file.
void settle(const tasks::Task& task, catalog::Catalog* catalogue, reviews::ReviewQueue* reviews,
            std::span<const std::byte> bytes, Recognition& recognition);

}  // namespace fovea::recognize
