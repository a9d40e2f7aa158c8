#include "models/smolvlm/prompt.h"

#include <fmt/format.h>

namespace fovea::models::smolvlm {
namespace {

constexpr std::string_view kImage = "<image>";
constexpr std::string_view kFake = "<fake_token_around_image>";
constexpr std::string_view kGlobal = "<global-img>";

std::string picture_text(const Grid& grid, std::size_t tokens_per_frame) {
  std::string frame;
  for (std::size_t i = 0; i < tokens_per_frame; ++i) frame += kImage;
  std::string text;
  for (int row = 1; row <= grid.rows; ++row) {
    for (int column = 1; column <= grid.columns; ++column) {
      text += fmt::format("{}<row_{}_col_{}>{}", kFake, row, column, frame);
    }
    text += '\n';
  }
  if (grid.rows > 0) text += '\n';
  return text + fmt::format("{}{}{}{}", kFake, kGlobal, frame, kFake);
}

}  // namespace

Result<std::string> expand_image_prompt(std::string_view chat, std::span<const Grid> pictures,
                                        std::size_t tokens_per_frame) {
  std::string text;
  std::size_t used = 0;
  for (std::size_t at = chat.find(kImage); at != std::string_view::npos; at = chat.find(kImage)) {
    if (used == pictures.size()) break;
    text += chat.substr(0, at);
    text += picture_text(pictures[used++], tokens_per_frame);
    chat.remove_prefix(at + kImage.size());
  }
  if (used != pictures.size() || chat.find(kImage) != std::string_view::npos) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "the prompt does not hold \"<image>\" once for each of the {} pictures; a question must not "
            "contain it",
            pictures.size()));
  }
  text += chat;
  return text;
}

}  // namespace fovea::models::smolvlm
