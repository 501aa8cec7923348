#pragma once

#include <exception>

namespace fmboost {

/// The one rule for errors in a batch of images: whether an error ends the whole batch. A broken model and an interrupt
/// do, because they affect every image; any other error fails the image at hand, and the batch continues.
bool ends_batch(const std::exception& error);

}  // namespace fmboost
