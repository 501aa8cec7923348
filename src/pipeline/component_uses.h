#pragma once

#include <functional>
#include <memory>

namespace fmboost {

/// A share in a component that is still needed. When the last share is gone, the component is freed.
using ComponentUse = std::shared_ptr<void>;

/// The shares of one image; each is reset once the image has passed the stage, and all of them if the image fails.
struct ComponentUses {
  ComponentUse text_encoder;
  ComponentUse denoiser;
  ComponentUse autoencoder;  ///< that decodes the low-resolution image
};

/// The first share; copies share with it. `release` frees the component.
inline ComponentUse use_component(std::function<void()> release) {
  // A deleter runs for a null pointer too.
  return {static_cast<void*>(nullptr), [release = std::move(release)](void*) { release(); }};
}

}  // namespace fmboost
