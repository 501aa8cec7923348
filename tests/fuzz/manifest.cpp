// bundle.json: a manifest or a ModelError.
#include "fmboost/model/manifest.h"

#include "fmboost/core/error.h"

#include "require.h"

using namespace fmboost;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const Manifest manifest = parse_manifest(text, "bundle.json");
    REQUIRE(manifest.autoencoder.has_value());
    for (const auto& file : manifest.files()) {
      REQUIRE(!file.file.empty() && file.file.front() != '/');
      REQUIRE(file.sha256.size() == 64);
    }
  } catch (const ModelError& error) {
    REQUIRE(std::string(error.what()).find("bundle.json") != std::string::npos);
  }
  return 0;
}
