#pragma once

#include <string>
#include <vector>

#include "drawing/scene.h"

namespace fmboost::drawing {

/// What the scene shows, everything and nothing else: "a landscape at sunset, grey mountains, a green meadow, three
/// pine trees, orange sky, the sun". The order of the parts and the choice between words of one meaning ("one pine
/// tree", "a pine tree"; "a winter landscape" where snow lies) come from the scene's seed. At most 48 words and commas.
std::string caption(const Scene& scene);

/// Words and commas, as the word tokenizer counts them.
int caption_tokens(const std::string& caption);

/// Every word that a caption may hold, sorted, and "," first.
std::vector<std::string> caption_words();

}  // namespace fmboost::drawing
