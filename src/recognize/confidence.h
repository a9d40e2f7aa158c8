#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "engine/request.h"

namespace fovea::recognize {

/// The natural logarithm of the probability that the model gave each member of a flat JSON object which it
/// wrote: the sum over the tokens that spell the member's value and decide where it ends. `text` is the bytes
/// of `tokens` one after the other, a JSON object. Tokens that the schema dictated count as certain.
std::map<std::string, double> member_logprobs(std::string_view text,
                                              std::span<const engine::TokenLogprob> tokens);

}  // namespace fovea::recognize
