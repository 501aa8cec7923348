#include "io/safetensors_dtypes.h"

#include <array>

#include "fmboost/core/error.h"

namespace fmboost {
namespace {

struct DtypeName {
  const char* name;
  torch::ScalarType dtype;
};

// All dtypes of the format with a whole-byte type in PyTorch.
constexpr std::array kDtypes{DtypeName{"F64", torch::kFloat64},
                             DtypeName{"F32", torch::kFloat32},
                             DtypeName{"F16", torch::kFloat16},
                             DtypeName{"BF16", torch::kBFloat16},
                             DtypeName{"F8_E4M3", torch::kFloat8_e4m3fn},
                             DtypeName{"F8_E5M2", torch::kFloat8_e5m2},
                             DtypeName{"F8_E8M0", torch::kFloat8_e8m0fnu},
                             DtypeName{"I64", torch::kInt64},
                             DtypeName{"I32", torch::kInt32},
                             DtypeName{"I16", torch::kInt16},
                             DtypeName{"I8", torch::kInt8},
                             DtypeName{"U64", torch::kUInt64},
                             DtypeName{"U32", torch::kUInt32},
                             DtypeName{"U16", torch::kUInt16},
                             DtypeName{"U8", torch::kUInt8},
                             DtypeName{"BOOL", torch::kBool},
                             DtypeName{"C64", torch::kComplexFloat}};

}  // namespace

std::optional<torch::ScalarType> dtype_of_safetensors_name(const std::string& name) {
  for (const auto& [known, dtype] : kDtypes) {
    if (name == known) {
      return dtype;
    }
  }
  return std::nullopt;
}

const char* safetensors_name_of(torch::ScalarType wanted) {
  for (const auto& [name, dtype] : kDtypes) {
    if (dtype == wanted) {
      return name;
    }
  }
  throw Error(std::string("safetensors cannot hold tensors of type ") + c10::toString(wanted));
}

}  // namespace fmboost
