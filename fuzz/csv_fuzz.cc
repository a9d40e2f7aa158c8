// The CSV reader on arbitrary bytes: every record has values or a mistake, lines never run backwards, and
// what was read comes back equal from its own text.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include "catalog/csv.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fovea::catalog::CsvReader;
  using fovea::catalog::CsvRecord;
  std::istringstream input(std::string(reinterpret_cast<const char*>(data), size));
  CsvReader reader(input, {.max_record_bytes = 4096, .max_columns = 16});
  CsvRecord record;
  std::size_t line = 0;
  while (reader.next(record).value()) {
    require(record.line >= line);  // a lone CR ends a record within its line
    line = record.line;
    require(record.values.empty() != record.mistake.empty());
    if (record.values.empty()) continue;
    require(record.values.size() <= 16);
    std::istringstream written(fovea::catalog::csv_line(record.values) + "\n");
    CsvReader again(written);
    CsvRecord copy;
    require(again.next(copy).value() && copy.values == record.values);
    require(!again.next(copy).value());
  }
  return 0;
}
