#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace fovea::registry {

/// The folders in which a model is looked up by name, in order: `$XDG_DATA_HOME/fovea/models` and
/// `$XDG_DATA_HOME/fovea` (default `~/.local/share/fovea`), then `models/` of the source tree or
/// `share/fovea/models` of the installation that the running program belongs to.
std::vector<std::filesystem::path> model_folders();

/// The checkpoint directory for `--model`: a directory that holds a config.json, or the name of a model.
/// Errors: kNotFound, saying where was looked.
Result<std::filesystem::path> locate_model(const std::string& name_or_directory);

/// The name people use for a model: its directory's last part.
std::string model_name(const std::filesystem::path& directory);

/// The version of a model: the first 12 hexadecimal digits of a SHA-256 over the names and the digests of the
/// files that decide its answers (weights, configuration, tokenizer). Digests of large files are remembered:
/// see FileDigests. Errors: kIo, kNotFound.
Result<std::string> model_version(const std::filesystem::path& directory);

}  // namespace fovea::registry
