#pragma once

namespace fovea::edge::runtime {

// The files of runtime/, in which `prefix` and `PREFIX` stand for the prefix of the export. The build writes
// them into the program.
extern const char* const k_api_h;
extern const char* const k_common_c;
extern const char* const k_float_c;
extern const char* const k_integer_c;

}  // namespace fovea::edge::runtime
