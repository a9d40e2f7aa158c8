#pragma once

#include <cstddef>
#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "base/result.h"

namespace fovea::catalog {

struct CsvLimits {
  std::size_t max_record_bytes = std::size_t{1} << 20;  ///< of one record; a longer one is a bad one
  std::size_t max_columns = 256;
};

/// One record of a CSV file, or why there is none.
struct CsvRecord {
  std::size_t line = 0;  ///< where it begins, from 1
  std::vector<std::string> values;
  std::string mistake;  ///< not empty: the record is malformed, and `values` is empty
};

/// Reads comma-separated values (RFC 4180) record by record: quoted values with commas, line ends and doubled
/// quotes; CRLF or LF; a byte order mark at the beginning and
/// empty lines are skipped. A malformed record (a quote inside an unquoted value, text behind a closing
/// quote, a file that ends inside quotes, a NUL, bytes that are not UTF-8, a limit) is reported, and reading
/// goes on behind the line where that was seen.
class CsvReader {
 public:
  explicit CsvReader(std::istream& input, const CsvLimits& limits = {});

  /// The next record: false at the end. Errors: kIo.
  Result<bool> next(CsvRecord& record);

 private:
  enum class End { kValue, kRecord, kFile };

  int take();
  int peek();
  std::string take_byte_order_mark();
  End read_value(CsvRecord& record, std::string& value);
  End read_quoted(CsvRecord& record, std::string& value);
  End end_of(int c);
  End refuse(CsvRecord& record, std::string mistake);

  std::istream& input_;
  CsvLimits limits_;
  std::size_t line_ = 1;
  std::size_t record_bytes_ = 0;
  bool at_start_ = true;
};

/// The values as one record, without its line end; quoted where they have to be.
std::string csv_line(const std::vector<std::string>& values);

}  // namespace fovea::catalog
