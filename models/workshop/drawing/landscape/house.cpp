#include <vector>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

// A house seen from one corner: the gable on the left, the long side on the right. Coordinates: u 0 .. 1 across,
// v 0 .. 1 upward.
class House {
 public:
  House(Stage& stage, const Item& item) : stage_(stage), item_(item), random_(item.seed) {
    mirrored_ = random_.chance(0.5);
    wall_ = color_of(stage.scene.wall);
    roof_ = color_of(stage.scene.roof);
    const bool gable_in_light = (stage.sun_x < 0) != mirrored_;
    gable_light_ = gable_in_light ? 1.0F : 0.74F;
    side_light_ = gable_in_light ? 0.8F : 1.0F;
  }

  void draw() {
    draw_shadow(stage_, item_.x(), item_.base, 0.56F * item_.width());
    draw_walls();
    draw_openings();
    draw_roof();
    draw_chimney();
  }

 private:
  Point at(double u, double v) const {
    return {item_.box.left + item_.width() * (mirrored_ ? 1 - u : u), item_.base - item_.height() * v};
  }
  void shape(std::initializer_list<Point> corners) {
    stage_.canvas.polygon(std::span(corners.begin(), corners.size()));
  }
  void line(Point from, Point to, Color color, double alpha, double width) {
    stage_.canvas.polyline(std::array<Point, 2>{from, to});
    stage_.canvas.stroke(Paint(color, alpha), width * item_.height());
  }

  void draw_chimney() {
    shape({at(0.64, 0.84), at(0.64, 1), at(0.72, 1), at(0.72, 0.84)});
    stage_.canvas.fill(stage_.lit(Color{.50F, .36F, .31F}, side_light_));
    shape({at(0.63, 0.97), at(0.63, 1), at(0.73, 1), at(0.73, 0.97)});
    stage_.canvas.fill(stage_.lit(Color{.38F, .28F, .25F}));
  }

  void draw_walls() {
    shape({at(0.06, 0), at(0.06, 0.47), at(0.24, 0.9), at(0.42, 0.47), at(0.42, 0)});
    stage_.canvas.fill(stage_.lit(wall_, gable_light_));
    shape({at(0.42, 0), at(0.42, 0.47), at(0.94, 0.47), at(0.94, 0)});
    stage_.canvas.fill(stage_.lit(wall_, side_light_));
    const Color groove = stage_.lit(wall_, 0.55F);
    for (int i = 1; i < 12; ++i) {  // boards
      line(at(0.06, 0.04 * i), at(0.42, 0.04 * i), groove, 0.35, 0.006);
      line(at(0.42, 0.04 * i), at(0.94, 0.04 * i), groove, 0.35, 0.006);
    }
    shape({at(0.05, 0), at(0.05, 0.045), at(0.95, 0.045), at(0.95, 0)});
    stage_.canvas.fill(stage_.lit(Color{.45F, .43F, .41F}, 0.9F));
  }

  void window(double u, double v, double width, double height) {
    const Color frame = stage_.scene.wall == ColorName::white ? Color{.35F, .42F, .46F} : Color{.95F, .94F, .90F};
    shape({at(u - 0.012, v - 0.02), at(u - 0.012, v + height + 0.02), at(u + width + 0.012, v + height + 0.02),
           at(u + width + 0.012, v - 0.02)});
    stage_.canvas.fill(stage_.lit(frame));
    shape({at(u, v), at(u, v + height), at(u + width, v + height), at(u + width, v)});
    if (stage_.dark()) {
      stage_.canvas.fill(Color{1.0F, .84F, .42F});
    } else {
      const std::array<Stop, 2> glass{
          {{0, stage_.lit(Color{.70F, .80F, .88F})}, {1, stage_.lit(Color{.28F, .36F, .45F})}}};
      stage_.canvas.fill(Paint::linear(at(u, v + height), at(u + width, v), glass));
    }
    line(at(u + width / 2, v), at(u + width / 2, v + height), stage_.lit(frame), 1, 0.014);
    line(at(u, v + height / 2), at(u + width, v + height / 2), stage_.lit(frame), 1, 0.014);
  }

  void draw_openings() {
    const Color door{.33F, .21F, .13F};
    shape({at(0.18, 0), at(0.18, 0.31), at(0.30, 0.31), at(0.30, 0)});
    stage_.canvas.fill(stage_.lit(door, gable_light_));
    line(at(0.24, 0.01), at(0.24, 0.3), stage_.lit(door, 0.5F), 0.8, 0.01);
    window(0.205, 0.5, 0.075, 0.15);
    window(0.50, 0.18, 0.10, 0.17);
    window(0.74, 0.18, 0.10, 0.17);
  }

  void draw_roof() {
    shape({at(0.24, 0.95), at(0.80, 0.95), at(1.0, 0.42), at(0.40, 0.42)});
    const std::array<Stop, 2> fall{{{0, stage_.lit(roof_, 1.08F)}, {1, stage_.lit(roof_, 0.86F)}}};
    stage_.canvas.fill(Paint::linear(at(0.5, 0.95), at(0.6, 0.42), fall));
    const Color tile = stage_.lit(roof_, 0.6F);
    for (int row = 1; row < 10; ++row) {
      const double t = row / 10.0;
      line(at(0.24 + 0.16 * t, 0.95 - 0.53 * t), at(0.80 + 0.20 * t, 0.95 - 0.53 * t), tile, 0.5, 0.007);
      for (int i = 0; i < 18; ++i) {
        const double s = (i + (row % 2) * 0.5) / 18;
        const double next = t - 0.1;
        line(at(0.24 + 0.16 * t + s * (0.56 + 0.04 * t), 0.95 - 0.53 * t),
             at(0.24 + 0.16 * next + s * (0.56 + 0.04 * next), 0.95 - 0.53 * next), tile, 0.3, 0.005);
      }
    }
    const Color edge = stage_.lit(roof_, 0.78F);
    stage_.canvas.polyline(std::array<Point, 3>{at(0.03, 0.41), at(0.24, 0.93), at(0.43, 0.41)});
    stage_.canvas.stroke(edge, 0.05 * item_.height());
    if (stage_.snowy()) {
      shape({at(0.235, 0.965), at(0.80, 0.965), at(0.83, 0.88), at(0.62, 0.87), at(0.44, 0.9), at(0.27, 0.88)});
      stage_.canvas.fill(stage_.lit(ColorName::white));
    }
  }

  Stage& stage_;
  const Item& item_;
  Random random_;
  bool mirrored_ = false;
  Color wall_;
  Color roof_;
  float gable_light_ = 1;
  float side_light_ = 1;
};

}  // namespace

void draw_house(Stage& stage, const Item& item) {
  House(stage, item).draw();
}

}  // namespace fmboost::drawing
