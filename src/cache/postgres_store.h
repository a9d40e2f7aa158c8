#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace fovea::cache {

class Store;
struct PostgresOptions;
struct Retention;

/// Answers in the table fovea_answers of a PostgreSQL database (12 or newer), a row each; the table is made
/// where it is missing.
std::unique_ptr<Store> make_postgres_store(const PostgresOptions& options, const Retention& retention,
                                           std::size_t max_value_bytes);

/// Whether libpq understands these connection parameters. Errors: kUsage; never shows them, for they may hold
/// a password.
Result<void> check_conninfo(const std::string& conninfo);

/// "PostgreSQL at host:port, database name".
std::string describe_conninfo(const std::string& conninfo);

}  // namespace fovea::cache
