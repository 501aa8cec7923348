// Upscales a small image made in memory: example BUNDLE_FOLDER
#include <cstdlib>
#include <iostream>
#include <memory>
#include <torch/types.h>

#include "fmboost/core/error.h"
#include "fmboost/core/placement.h"
#include "fmboost/model/bundle.h"
#include "fmboost/pipeline/model_components.h"
#include "fmboost/pipeline/upscale.h"

int main(int count, char** arguments) try {
  fmboost::Bundle bundle(fmboost::upscaler_folder(count > 1 ? arguments[1] : "models/default"));
  const auto components =
      std::make_shared<fmboost::ModelComponents>(std::move(bundle), fmboost::resolve_placement("auto", "auto"));
  fmboost::UpscalePipeline pipeline(components, {.scale = 2.0});

  fmboost::Image image;
  image.pixels = torch::rand({3, 48, 64}) * 2 - 1;  // RGB in [-1, 1]; fmboost::decode_image makes one of a file's bytes
  const fmboost::Image large = pipeline.run(image).image;
  std::cout << large.width() << "x" << large.height() << "\n";
  return EXIT_SUCCESS;
} catch (const fmboost::Error& error) {
  std::cerr << error.what() << "\n";
  return static_cast<int>(error.code());
}
