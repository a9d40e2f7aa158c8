#include "registry/locate.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "registry/digests.h"

namespace fovea::registry {
namespace {

namespace fs = std::filesystem;

fs::path environment_path(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the program sets no variables.
  const char* value = std::getenv(name);
  return value == nullptr ? fs::path() : fs::path(value);
}

bool holds_model(const fs::path& directory) {
  std::error_code ignored;
  return fs::is_regular_file(directory / "config.json", ignored) ||
         fs::is_regular_file(directory / "tokenizer.json", ignored);
}

/// The files of a checkpoint that decide what it answers: those that loading reads.
std::vector<fs::path> deciding_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code ignored;
  const auto add = [&](const fs::path& path) {
    if (fs::is_regular_file(path, ignored)) files.push_back(path);
  };
  for (const char* name :
       {"config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json",
        "processor_config.json", "tokenizer.json", "tokenizer_config.json"}) {
    add(directory / name);
  }
  if (fs::exists(directory / "model.safetensors", ignored)) return files;
  for (fs::directory_iterator entry(directory, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    const bool shard = entry->path().extension() == ".safetensors";
    if (shard || entry->path().filename() == "model.safetensors.index.json") add(entry->path());
  }
  return files;
}

}  // namespace

std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders;
  fs::path data = environment_path("XDG_DATA_HOME");
  if (data.empty() && !environment_path("HOME").empty()) data = environment_path("HOME") / ".local" / "share";
  if (!data.empty()) {
    folders.push_back(data / "fovea" / "models");
    folders.push_back(data / "fovea");
  }

  // build/PRESET/fovea lies two folders below the tree's models/; bin/fovea beside share/fovea/models.
  std::error_code error;
  fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (int level = 0; level < 5 && !folder.empty(); ++level) {
    for (const fs::path& candidate : {folder / "models", folder / "share" / "fovea" / "models"}) {
      if (fs::is_directory(candidate, error)) folders.push_back(candidate);
    }
    if (folder == folder.root_path()) break;
    folder = folder.parent_path();
  }
  return folders;
}

Result<fs::path> locate_model(const std::string& name_or_directory) {
  if (holds_model(name_or_directory)) return fs::path(name_or_directory);
  std::string searched;
  for (const fs::path& folder : model_folders()) {
    if (name_or_directory.find('/') == std::string::npos && holds_model(folder / name_or_directory)) {
      return folder / name_or_directory;
    }
    searched += fmt::format("\n  {}", folder.string());
  }
  std::error_code ignored;
  if (fs::is_directory(name_or_directory, ignored)) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: no config.json in this directory; expected a Hugging Face checkpoint "
                            "(config.json, model.safetensors, tokenizer.json, …)",
                            name_or_directory));
  }
  return fail(ErrorCode::kNotFound,
              fmt::format("no model \"{}\": it is no directory, and there is none of that name in{}",
                          name_or_directory, searched.empty() ? std::string(" any known folder") : searched));
}

std::string model_name(const fs::path& directory) {
  const fs::path normal = fs::absolute(directory).lexically_normal();
  return normal.has_filename() ? normal.filename().string() : normal.parent_path().filename().string();
}

Result<std::string> model_version(const fs::path& directory) {
  std::vector<fs::path> files = deciding_files(directory);
  if (files.empty()) {
    return fail(ErrorCode::kNotFound, fmt::format("{}: no checkpoint in this directory", directory.string()));
  }
  std::ranges::sort(files);

  const FileDigests digests(FileDigests::default_store());
  std::string listing;
  for (const fs::path& file : files) {
    FOVEA_TRY(const std::string digest, digests.of(file));
    listing += fmt::format("{} {}\n", digest, file.filename().string());
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(listing.data(), listing.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    return fail(ErrorCode::kInternal, "SHA-256 is not available");
  }
  std::string hex;
  for (std::size_t i = 0; i < 6; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace fovea::registry
