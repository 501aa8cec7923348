#pragma once

/// The parts of a Winograd convolution F(4x4, 3x3) for one instruction set. The header uses no other one: the sources
/// that include it are compiled for newer processors, and inline functions compiled there must not be used elsewhere.
namespace fmboost::winograd {

constexpr long kOut = 4;            ///< a tile gives 4x4 outputs
constexpr long kIn = 6;             ///< and reads 6x6 inputs
constexpr long kPoints = 36;        ///< products per tile and pair of channels
constexpr long kTilesAtATime = 48;  ///< a multiple of the rows of every matrix kernel

/// One block of tiles of an image batch in channels-last layout, padded by one zero pixel per side.
struct Block {
  const float* input;    ///< (B, H, W, C)
  const float* weights;  ///< packed by pack_weights(), (36, columns, C, width of a column)
  const float* bias;     ///< (O), or null
  float* output;         ///< (B, H, W, O)
  float* transformed;    ///< 36 times (kTilesAtATime, C), `transformed_stride` apart
  float* products;       ///< 36 times (kTilesAtATime, padded O), `product_stride` apart
  long height, width, channels, outputs;
  long padded_outputs;  ///< outputs, rounded up to the width of a column
  long tile_rows, tile_columns;
  long first, count;  ///< tiles of the block
  long transformed_stride, product_stride;
};

struct Kernels {
  const char* name;
  long vector;  ///< numbers in a register; channels are a multiple of it
  long column;  ///< outputs that the matrix kernel computes at a time
  void (*transform_input)(const Block& block, long first_tile, long last_tile);
  void (*multiply)(const Block& block, long first_point, long last_point);
  void (*transform_output)(const Block& block, long first_tile, long last_tile);
};

const Kernels& avx2_kernels();
const Kernels& avx512_kernels();

}  // namespace fmboost::winograd
