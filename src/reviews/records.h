#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "reviews/reviews.h"
#include "sqlite/database.h"

namespace fovea::reviews {

/// How the queue's file is made.
sqlite::Options database_options(const QueueOptions& options);

/// The columns that read_review() reads, in order, FROM review LEFT JOIN picture.
extern const char* const kSelectReview;

/// A review from a statement's present row, without its history.
Review read_review(const sqlite::Statement& row);

Result<std::vector<Event>> read_history(sqlite::Database& database, std::int64_t review);

Result<void> add_event(sqlite::Database& database, std::int64_t review, const Event& event);

/// The present time in UTC, as 2026-01-31T12:00:00Z.
std::string timestamp();

/// SHA-256 in hexadecimal.
std::string sha256(std::span<const std::byte> bytes);

/// ".jpg", ".png", ".webp" by the file's first bytes; else ".bin".
const char* extension_of(std::span<const std::byte> picture);

}  // namespace fovea::reviews
