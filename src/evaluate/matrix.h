#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "evaluate/paired.h"
#include "evaluate/variant.h"

namespace fovea::evaluate {

/// A model or a type of weights that could not be measured, and why.
struct Skipped {
  std::string name;
  std::string why;
};

/// Several models and variants of them, measured on the same pictures by the same machine.
struct Matrix {
  std::string program;  ///< "fovea VERSION"
  std::string task;
  std::string task_digest;
  std::string data;  ///< the folder as it was given
  std::string data_digest;
  std::size_t pictures = 0;
  std::string processor;
  std::size_t threads = 0;
  std::string isa;  ///< of the kernels
  std::uint64_t memory_limit_bytes = 0;
  bool complete = false;  ///< everything asked for has been measured
  std::vector<Variant> variants = {};
  std::vector<Skipped> skipped = {};

  /// Every pair of variants on the same pictures.
  [[nodiscard]] std::vector<PairedComparison> pairs() const;

  /// `report.json`.
  [[nodiscard]] nlohmann::ordered_json to_json() const;
  /// Errors: kInvalidArgument, naming the member.
  static Result<Matrix> from_json(const nlohmann::ordered_json& json);
};

/// Reads `report.json`, or that file of a folder. Errors: kNotFound, kIo, kInvalidJson, kInvalidArgument.
Result<Matrix> read_matrix(const std::filesystem::path& file_or_folder);

/// `report.md`: a table of everything, and one of fields or classes.
std::string to_markdown(const Matrix& matrix);

/// `report.html`: the same in one file, with charts (SVG), in light and dark; nothing is loaded from
/// anywhere.
std::string to_html(const Matrix& matrix);

/// Writes report.json, report.md and report.html to a folder that exists. Errors: kIo.
Result<void> write_reports(const Matrix& matrix, const std::filesystem::path& folder);

/// What was measured of a variant is kept in `FOLDER/variants/KEY.json`, so that an interrupted comparison
/// goes on where it was. `key` is a digest of all that decides the figures: the model's version, the type of
/// weights, the data, the task, the program, the machine and the threads.
class Kept {
 public:
  explicit Kept(const std::filesystem::path& folder) : folder_(folder / "variants") {}

  /// What is kept under this key; nothing where there is none, or it cannot be read.
  [[nodiscard]] std::optional<Variant> find(const std::string& key) const;
  /// Errors: kIo.
  [[nodiscard]] Result<void> keep(const Variant& variant) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace fovea::evaluate
