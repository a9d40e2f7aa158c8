#include "tensor/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/shorten.h"

namespace fovea::tensor {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as the format's own reader
constexpr std::size_t kMaxRank = 8;

std::optional<std::size_t> checked_elements(const std::vector<std::size_t>& shape) {
  std::size_t elements = 1;
  for (const std::size_t extent : shape) {
    if (__builtin_mul_overflow(elements, extent, &elements)) return std::nullopt;
  }
  return elements;
}

Result<std::vector<std::size_t>> parse_shape(const nlohmann::json& shape) {
  if (!shape.is_array() || shape.size() > kMaxRank) {
    return fail(ErrorCode::kInvalidModel, fmt::format("shape must be a list of at most {} sizes", kMaxRank));
  }
  std::vector<std::size_t> sizes;
  for (const nlohmann::json& size : shape) {
    if (!size.is_number_unsigned())
      return fail(ErrorCode::kInvalidModel, "shape holds something other than sizes");
    sizes.push_back(size.get<std::size_t>());
  }
  return sizes;
}

/// One header entry, its offsets checked against `data`.
Result<StoredTensor> parse_entry(const nlohmann::json& entry, std::span<const std::byte> data) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    return fail(ErrorCode::kInvalidModel, "needs dtype, shape and data_offsets");
  }
  StoredTensor tensor;
  const nlohmann::json& type = entry["dtype"];
  const auto dtype = type.is_string() ? parse_dtype(type.get_ref<const std::string&>()) : std::nullopt;
  if (!dtype)
    return fail(ErrorCode::kInvalidModel, fmt::format("dtype {} is not supported", shorten(type.dump())));
  tensor.dtype = *dtype;
  FOVEA_TRY(tensor.shape, parse_shape(entry["shape"]));
  const nlohmann::json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    return fail(ErrorCode::kInvalidModel, "data_offsets must be two byte positions");
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > data.size()) {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("data_offsets {}..{} lie outside the {} bytes of data; the file may be truncated",
                            begin, end, data.size()));
  }
  const auto elements = checked_elements(tensor.shape);
  std::size_t expected = 0;
  if (!elements || __builtin_mul_overflow(*elements, dtype_size(tensor.dtype), &expected) ||
      expected != end - begin) {
    return fail(
        ErrorCode::kInvalidModel,
        fmt::format("shape and dtype do not make the {} bytes between its data_offsets", end - begin));
  }
  tensor.bytes = data.subspan(begin, end - begin);
  return tensor;
}

}  // namespace

std::size_t StoredTensor::elements() const {
  return bytes.size() / dtype_size(dtype);
}

Result<void> SafeTensors::add_file(const std::filesystem::path& path) {
  FOVEA_TRY(MappedFile map, MappedFile::open(path));
  const auto bytes = map.bytes();
  const auto bad = [&](const std::string& reason) {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("{}: not a usable safetensors file: {}", path.string(), reason));
  };
  std::uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size) return bad(fmt::format("only {} bytes", bytes.size()));
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > kMaxHeaderBytes || header_size > bytes.size() - sizeof header_size) {
    return bad(fmt::format("its header claims {} bytes, the file has {}", header_size, bytes.size()));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header_size, header_size);
  const auto header = parse_json(text, "header", {.max_bytes = kMaxHeaderBytes, .max_depth = 8});
  if (!header) return bad(header.error().message);
  if (!header->is_object()) return bad("its header is not an object");

  const auto data = bytes.subspan(sizeof header_size + header_size);
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (const auto& [name, entry] : header->items()) {
    if (name == "__metadata__") continue;
    auto tensor = parse_entry(entry, data);
    if (!tensor) return bad(fmt::format("tensor {}: {}", shorten(name), tensor.error().message));
    const auto begin = static_cast<std::size_t>(tensor->bytes.data() - data.data());
    if (!tensor->bytes.empty()) ranges.emplace_back(begin, begin + tensor->bytes.size());
    if (!tensors_.emplace(name, std::move(*tensor)).second) {
      return bad(fmt::format("tensor {} stands in another shard too", shorten(name)));
    }
  }
  std::ranges::sort(ranges);
  const auto overlap =
      std::ranges::adjacent_find(ranges, [](const auto& a, const auto& b) { return b.first < a.second; });
  if (overlap != ranges.end())
    return bad(fmt::format("two tensors overlap at byte {} of the data", std::next(overlap)->first));
  maps_.push_back(std::move(map));
  paths_.push_back(path);
  return {};
}

Result<SafeTensors> SafeTensors::open(const std::filesystem::path& path) {
  SafeTensors file;
  FOVEA_CHECK_OK(file.add_file(path));
  return file;
}

Result<SafeTensors> SafeTensors::open_checkpoint(const std::filesystem::path& directory) {
  const auto index_path = directory / "model.safetensors.index.json";
  const auto single_path = directory / "model.safetensors";
  // As the reference looks: an index may be left over beside the whole file.
  if (std::filesystem::exists(single_path) || !std::filesystem::exists(index_path)) return open(single_path);

  const auto read = read_json_file(index_path);
  if (!read && read.error().code != ErrorCode::kInvalidJson) return std::unexpected(read.error());
  if (!read) return fail(ErrorCode::kInvalidModel, read.error().message);
  const nlohmann::json& index = *read;
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    return fail(ErrorCode::kInvalidModel,
                fmt::format("{}: expected an object with a weight_map", index_path.string()));
  }
  std::set<std::string> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    const std::string file = shard.is_string() ? shard.get<std::string>() : "";
    // A shard is a file beside the index: a name that leads elsewhere is not followed.
    if (file.empty() || file.find('/') != std::string::npos || file == "..") {
      return fail(ErrorCode::kInvalidModel,
                  fmt::format("{}: tensor {} names the shard {}, which is no plain file name",
                              index_path.string(), shorten(name), shorten(shard.dump())));
    }
    shards.insert(file);
  }
  SafeTensors checkpoint;
  for (const std::string& shard : shards) FOVEA_CHECK_OK(checkpoint.add_file(directory / shard));
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (checkpoint.find(name) == nullptr) {
      return fail(ErrorCode::kInvalidModel,
                  fmt::format("{}: tensor {} is not in the shard {} that it names", index_path.string(),
                              shorten(name), shorten(shard.get<std::string>())));
    }
  }
  return checkpoint;
}

const StoredTensor* SafeTensors::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::string safetensors_header(std::span<const NamedTensor> tensors) {
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};
  std::size_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    const std::size_t end = offset + checked_elements(tensor.shape).value_or(0) * dtype_size(tensor.dtype);
    header[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  // Data starts at a multiple of 64 bytes, so that mapped weights are aligned for vector loads.
  text.append((64 - (text.size() + sizeof(std::uint64_t)) % 64) % 64, ' ');
  const std::uint64_t size = text.size();
  std::string result(sizeof size, '\0');
  std::memcpy(result.data(), &size, sizeof size);
  return result + text;
}

Result<void> write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  const std::string header = safetensors_header(tensors);
  std::vector<std::string_view> parts = {header};
  for (const NamedTensor& tensor : tensors) {
    parts.emplace_back(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return write_file(path, parts);
}

}  // namespace fovea::tensor
