#include "drawing/leaves.h"

#include "drawing/canvas.h"
#include "drawing/filler.h"
#include "drawing/finish.h"
#include "drawing/scenes.h"

namespace fmboost::drawing {

Image draw_leaves(std::uint64_t seed, int side) {
  Random random(seed, "leaves");
  const Filler filler(random, random.integer(2, 4));
  Canvas canvas(side, side);
  const double scene = random.uniform();
  if (scene < 0.5) {
    draw_clutter(canvas, random, filler);
  } else if (scene < 0.65) {
    draw_outdoors(canvas, random, filler);
  } else if (scene < 0.8) {
    draw_print(canvas, random, filler);
  } else {
    draw_closeup(canvas, random, filler);
  }
  finish(canvas, random);
  return canvas.image();
}

}  // namespace fmboost::drawing
