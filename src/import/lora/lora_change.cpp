#include <ATen/ops/einsum.h>
#include <ATen/ops/kron.h>
#include <ATen/ops/mm.h>
#include <cmath>

#include "import/lora/lora.h"

namespace fmboost {
namespace {

using Shape = std::vector<std::int64_t>;

torch::Tensor matrix(const LoraLayer& layer, const std::string& role) {
  return read_weight(layer.at(role), torch::kFloat32).flatten(1);
}

std::int64_t elements_of(const Shape& shape) {
  return c10::multiply_integers(shape);
}

// Rows, and the elements of a row; trailing dimensions come from convolutions. {0, 0} if it is no matrix.
std::pair<std::int64_t, std::int64_t> as_matrix(const Shape& shape) {
  return shape.size() < 2 || shape[0] == 0 ? std::pair<std::int64_t, std::int64_t>{0, 0}
                                           : std::pair{shape[0], elements_of(shape) / shape[0]};
}

// A (rows, rank) B (rank, columns): the size of the product; {0, 0} if they do not fit together.
std::pair<std::int64_t, std::int64_t> product_size(const Shape& a, const Shape& b) {
  const auto [rows, rank] = as_matrix(a);
  const auto [inner, columns] = as_matrix(b);
  return rank == inner && rank > 0 ? std::pair{rows, columns} : std::pair<std::int64_t, std::int64_t>{0, 0};
}

// up (out, rank), core (rank, rank, k, l), down (rank, in), of which the first two are given by their ranks and the
// sizes on the other side: the shape of the convolution; empty if they do not fit together.
Shape convolution(std::pair<std::int64_t, std::int64_t> up, const Shape& core,
                  std::pair<std::int64_t, std::int64_t> down) {
  const bool fits =
      core.size() == 4 && up.second == core[0] && core[1] == down.first && up.second > 0 && down.first > 0;
  return fits ? Shape{up.first, down.second, core[2], core[3]} : Shape{};
}

std::pair<std::int64_t, std::int64_t> turned(std::pair<std::int64_t, std::int64_t> size) {
  return {size.second, size.first};
}

bool equals(std::pair<std::int64_t, std::int64_t> size, const Shape& shape) {
  return size.first > 0 && size == as_matrix(shape);
}

const Shape& shape_of(const LoraLayer& layer, const std::string& role) {
  return layer.at(role).shape;
}

bool low_rank_fits(const LoraLayer& layer, const Shape& shape) {
  if (!layer.has("mid")) {
    return equals(product_size(shape_of(layer, "up"), shape_of(layer, "down")), shape);
  }
  return convolution(as_matrix(shape_of(layer, "up")), shape_of(layer, "mid"), as_matrix(shape_of(layer, "down"))) ==
         shape;
}

// Both halves of a LoHa; in the CP form the outer factors are (rank, out) and (rank, in).
bool loha_fits(const LoraLayer& layer, const Shape& shape) {
  for (const std::string i : {"1", "2"}) {
    const Shape& a = shape_of(layer, "hada_w" + i + "_a");
    const Shape& b = shape_of(layer, "hada_w" + i + "_b");
    const bool fits = layer.has("hada_t1")
                          ? convolution(turned(as_matrix(a)), shape_of(layer, "hada_t" + i), as_matrix(b)) == shape
                          : equals(product_size(a, b), shape);
    if (!fits) {
      return false;
    }
  }
  return true;
}

// The size of the second Kronecker factor as a matrix.
std::pair<std::int64_t, std::int64_t> second_size(const LoraLayer& layer) {
  if (layer.has("lokr_w2")) {
    return as_matrix(shape_of(layer, "lokr_w2"));
  }
  if (!layer.has("lokr_t2")) {
    return product_size(shape_of(layer, "lokr_w2_a"), shape_of(layer, "lokr_w2_b"));
  }
  const Shape shape = convolution(turned(as_matrix(shape_of(layer, "lokr_w2_a"))), shape_of(layer, "lokr_t2"),
                                  as_matrix(shape_of(layer, "lokr_w2_b")));
  return as_matrix(shape);
}

bool lokr_fits(const LoraLayer& layer, const Shape& shape) {
  const auto first = layer.has("lokr_w1") ? as_matrix(shape_of(layer, "lokr_w1"))
                                          : product_size(shape_of(layer, "lokr_w1_a"), shape_of(layer, "lokr_w1_b"));
  const auto second = second_size(layer);
  return equals({first.first * second.first, first.second * second.second}, shape);
}

bool is_loha(const LoraLayer& layer) {
  return layer.factors.lower_bound("hada_") != layer.factors.end() &&
         layer.factors.lower_bound("hada_")->first.starts_with("hada_");
}

bool is_lokr(const LoraLayer& layer) {
  return layer.factors.lower_bound("lokr_") != layer.factors.end() &&
         layer.factors.lower_bound("lokr_")->first.starts_with("lokr_");
}

// The norms of DoRA: one per output or, as some trainers have it, one per input.
bool norms_fit(const LoraLayer& layer, const Shape& shape) {
  if (layer.has("magnitude")) {
    return elements_of(shape_of(layer, "magnitude")) == shape[0];
  }
  if (!layer.has("dora_scale")) {
    return true;
  }
  const auto count = elements_of(shape_of(layer, "dora_scale"));
  return count == shape[0] || (shape.size() >= 2 && count == shape[1]);
}

torch::Tensor low_rank_product(const LoraLayer& layer) {
  if (!layer.has("mid")) {
    return at::mm(matrix(layer, "up"), matrix(layer, "down"));
  }
  const torch::Tensor mid = read_weight(layer.at("mid"), torch::kFloat32);
  return at::einsum("oa,abkl,bi->oikl", {matrix(layer, "up"), mid, matrix(layer, "down")});
}

torch::Tensor loha_product(const LoraLayer& layer) {
  torch::Tensor result;
  for (const std::string i : {"1", "2"}) {
    const torch::Tensor a = matrix(layer, "hada_w" + i + "_a");
    const torch::Tensor b = matrix(layer, "hada_w" + i + "_b");
    const torch::Tensor half =
        layer.has("hada_t1")
            ? at::einsum("ao,abkl,bi->oikl", {a, read_weight(layer.at("hada_t" + i), torch::kFloat32), b})
            : at::mm(a, b);
    result = result.defined() ? result * half : half;
  }
  return result;
}

torch::Tensor lokr_product(const LoraLayer& layer) {
  const torch::Tensor first =
      layer.has("lokr_w1") ? matrix(layer, "lokr_w1") : at::mm(matrix(layer, "lokr_w1_a"), matrix(layer, "lokr_w1_b"));
  torch::Tensor second;
  if (layer.has("lokr_w2")) {
    second = matrix(layer, "lokr_w2");
  } else if (layer.has("lokr_t2")) {
    const torch::Tensor core = read_weight(layer.at("lokr_t2"), torch::kFloat32);
    second = at::einsum("ao,abkl,bi->oikl", {matrix(layer, "lokr_w2_a"), core, matrix(layer, "lokr_w2_b")}).flatten(1);
  } else {
    second = at::mm(matrix(layer, "lokr_w2_a"), matrix(layer, "lokr_w2_b"));
  }
  // The taps of a convolution belong to the second factor, whose rows they end.
  return at::kron(first.contiguous(), second.contiguous());
}

torch::Tensor product_of(const LoraLayer& layer) {
  return is_loha(layer) ? loha_product(layer) : is_lokr(layer) ? lokr_product(layer) : low_rank_product(layer);
}

// None for a LoKr of whole factors, which is not scaled.
std::optional<double> rank_of(const LoraLayer& layer) {
  for (const char* role : {"down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"}) {
    if (layer.has(role)) {
      return static_cast<double>(shape_of(layer, role).front());
    }
  }
  return std::nullopt;
}

double scale_of(const LoraLayer& layer) {
  const auto rank = rank_of(layer);
  return rank ? layer.alpha.value_or(*rank) / (layer.rank_stabilized ? std::sqrt(*rank) : *rank) : 1.0;
}

// Scales the changed weight to the norms of DoRA.
torch::Tensor with_norms(const LoraLayer& layer, const torch::Tensor& changed) {
  const bool published = layer.has("dora_scale");
  const torch::Tensor norms = read_weight(layer.at(published ? "dora_scale" : "magnitude"), torch::kFloat32).flatten();
  const bool per_output = !published || shape_of(layer, "dora_scale").front() == changed.size(0);
  const torch::Tensor rows = (per_output ? changed : changed.transpose(0, 1)).flatten(1);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(changed.dim()), 1);
  shape[per_output ? 0 : 1] = -1;
  return changed * (norms / rows.norm(2, 1)).reshape(shape);
}

}  // namespace

std::string missing_factor(const LoraLayer& layer) {
  const auto lacks = [&](std::initializer_list<const char*> roles) {
    for (const char* role : roles) {
      if (!layer.has(role)) {
        return std::string(role);
      }
    }
    return std::string();
  };
  const bool plain = layer.has("down") || layer.has("mid") || layer.has("up");
  if (int{is_loha(layer)} + int{is_lokr(layer)} + int{plain} > 1) {
    return "factors of a single kind: it has those of several";
  }
  if (is_loha(layer)) {
    const std::string core = layer.has("hada_t1") || layer.has("hada_t2") ? lacks({"hada_t1", "hada_t2"}) : "";
    return core.empty() ? lacks({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}) : core;
  }
  if (is_lokr(layer)) {
    const std::string first = layer.has("lokr_w1") ? "" : lacks({"lokr_w1_a", "lokr_w1_b"});
    return !first.empty() || layer.has("lokr_w2") ? first : lacks({"lokr_w2_a", "lokr_w2_b"});
  }
  return !layer.has("down") ? "the lower factor" : !layer.has("up") ? "the upper factor" : "";
}

std::string misfit(const LoraLayer& layer, const std::vector<std::int64_t>& shape) {
  const bool fits = is_loha(layer)   ? loha_fits(layer, shape)
                    : is_lokr(layer) ? lokr_fits(layer, shape)
                                     : low_rank_fits(layer, shape);
  if (fits && norms_fit(layer, shape)) {
    return "";
  }
  std::string text;
  // From the output to the input.
  for (const char* role : {"up", "mid", "down"}) {
    if (layer.has(role)) {
      text += c10::str(text.empty() ? "is " : " times ", c10::IntArrayRef(shape_of(layer, role)));
    }
  }
  if (!fits && text.empty()) {
    for (const auto& [role, weight] : layer.factors) {
      text += c10::str(text.empty() ? "is made of " : ", ", role, " ", c10::IntArrayRef(weight.shape));
    }
  }
  if (fits) {
    text = "has norms (DoRA) of another number";
  }
  return c10::str(text, " where the layer is ", c10::IntArrayRef(shape));
}

std::function<void(torch::Tensor&)> change_of(const LoraLayer& layer, double weight) {
  const double scale = scale_of(layer);
  if (!layer.has("dora_scale") && !layer.has("magnitude")) {
    return [layer, scale = weight * scale](torch::Tensor& tensor) {
      tensor.add_(product_of(layer).reshape(tensor.sizes()), scale);
    };
  }
  return [layer, scale, weight](torch::Tensor& tensor) {
    const torch::Tensor changed = tensor.add(product_of(layer).reshape(tensor.sizes()), scale);
    tensor.add_(with_norms(layer, changed) - tensor, weight);
  };
}

}  // namespace fmboost
