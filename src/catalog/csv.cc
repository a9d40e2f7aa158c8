#include "catalog/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "text/unicode.h"

namespace fovea::catalog {
namespace {

constexpr int kEndOfFile = std::istream::traits_type::eof();
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

CsvReader::CsvReader(std::istream& input, const CsvLimits& limits) : input_(input), limits_(limits) {}

int CsvReader::take() {
  const int c = input_.rdbuf()->sbumpc();
  if (c == '\n') ++line_;
  if (c != kEndOfFile) ++record_bytes_;
  return c;
}

int CsvReader::peek() {
  return input_.rdbuf()->sgetc();
}

/// What a character that was taken ends: a line end takes its second half along.
CsvReader::End CsvReader::end_of(int c) {
  if (c == ',') return End::kValue;
  if (c == '\r' && peek() == '\n') (void)take();
  return c == kEndOfFile ? End::kFile : End::kRecord;
}

/// Notes the mistake and goes on behind the line.
CsvReader::End CsvReader::refuse(CsvRecord& record, std::string mistake) {
  record.mistake = std::move(mistake);
  int c = peek();
  while (c != '\n' && c != kEndOfFile) {
    (void)take();
    c = peek();
  }
  return end_of(take());
}

CsvReader::End CsvReader::read_quoted(CsvRecord& record, std::string& value) {
  for (;;) {
    const int c = take();
    if (c == kEndOfFile) {
      record.mistake = "the file ends inside a quoted value";
      return End::kFile;
    }
    if (record_bytes_ > limits_.max_record_bytes) {
      return refuse(record,
                    fmt::format("expected a record of at most {} bytes, found more (perhaps a quote is "
                                "not closed)",
                                limits_.max_record_bytes));
    }
    if (c != '"') {
      value += static_cast<char>(c);
      continue;
    }
    if (peek() == '"') {
      value += static_cast<char>(take());
      continue;
    }
    const int after = peek();
    if (after == ',' || after == '\n' || after == '\r' || after == kEndOfFile) return end_of(take());
    return refuse(record, "expected a comma or the line's end behind a closing quote, found something else");
  }
}

CsvReader::End CsvReader::read_value(CsvRecord& record, std::string& value) {
  if (value.empty() && peek() == '"') {  // not empty: it begins with what was nearly a byte order mark
    (void)take();
    return read_quoted(record, value);
  }
  for (;;) {
    const int c = peek();
    if (c == ',' || c == '\n' || c == '\r' || c == kEndOfFile) return end_of(take());
    if (c == '"') return refuse(record, "expected no quote inside an unquoted value, found one");
    if (record_bytes_ >= limits_.max_record_bytes) {
      return refuse(
          record, fmt::format("expected a record of at most {} bytes, found more", limits_.max_record_bytes));
    }
    value += static_cast<char>(take());
  }
}

/// Takes the mark off the input; what begins like one and is none is given back.
std::string CsvReader::take_byte_order_mark() {
  std::string taken;
  for (const char expected : kByteOrderMark) {
    if (peek() != static_cast<unsigned char>(expected)) return taken;
    taken += static_cast<char>(take());
  }
  return "";
}

Result<bool> CsvReader::next(CsvRecord& record) {
  for (;;) {
    record = {.line = line_, .values = {}, .mistake = ""};
    record_bytes_ = 0;
    std::string value = std::exchange(at_start_, false) ? take_byte_order_mark() : "";
    const bool bare = value.empty() && (peek() == '\n' || peek() == '\r' || peek() == kEndOfFile);
    End end = End::kValue;
    while (end == End::kValue) {
      end = read_value(record, value);
      if (record.mistake.empty() && record.values.size() == limits_.max_columns) {
        record.mistake = fmt::format("expected at most {} values, found more", limits_.max_columns);
      }
      if (record.mistake.empty() && (value.find('\0') != std::string::npos || !text::is_valid_utf8(value))) {
        record.mistake = "expected UTF-8 text, found other bytes";
      }
      if (record.mistake.empty()) record.values.push_back(std::move(value));
      value.clear();
    }
    if (input_.bad()) return fail(ErrorCode::kIo, "the file cannot be read to its end");
    if (!record.mistake.empty()) {
      record.values.clear();
      return true;
    }
    // A line end alone, or the end of the file behind one, is no record.
    if (!bare) return true;
    if (end == End::kFile) return false;
  }
}

std::string csv_line(const std::vector<std::string>& values) {
  std::string line;
  for (const std::string& value : values) {
    if (&value != &values.front()) line += ',';
    const bool plain = !value.empty() && value.find_first_of(",\"\r\n") == std::string::npos &&
                       !value.starts_with(kByteOrderMark);
    if (plain) {
      line += value;
      continue;
    }
    line += '"';
    for (const char c : value) {
      if (c == '"') line += '"';
      line += c;
    }
    line += '"';
  }
  return line;
}

}  // namespace fovea::catalog
