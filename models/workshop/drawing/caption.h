#pragma once

#include <string>
#include <vector>

#include "drawing/scene.h"

namespace fmboost::drawing {

/// Names everything that the scene shows and nothing else: "a landscape at sunset, grey mountains, a green meadow,
/// three pine trees, orange sky, the sun". The scene's seed decides the order of the phrases and the choice between
/// synonyms
/// ("one pine tree", "a pine tree"; "a winter landscape" if there is snow). At most 48 words and commas.
std::string caption(const Scene& scene);

/// The number of words and commas, as the word tokenizer counts them.
int caption_tokens(const std::string& caption);

/// Every word that a caption may contain, sorted, with "," first.
std::vector<std::string> caption_words();

}  // namespace fmboost::drawing
