#include <vector>

#include "drawing/landscape/stage.h"

namespace fmboost::drawing {
namespace {

// An animal facing right, or left if mirrored. Coordinates: u 0 .. 1 from tail to nose, v 0 .. 1 upward.
class Beast {
 public:
  Beast(Stage& stage, const Item& item) : stage_(stage), item_(item), random_(item.seed) {
    mirrored_ = random_.chance(0.5);
    coat_ = color_of(stage.scene.coat);
    if (stage.scene.coat == ColorName::black) {
      coat_ = {.13F, .12F, .13F};
    }
  }

  void draw() {
    draw_shadow(stage_, item_.x(), item_.base, 0.5F * item_.width());
    switch (stage_.scene.animals) {
      case Animal::sheep:
        return draw_sheep();
      case Animal::horse:
        return draw_horse();
      case Animal::cow:
        return draw_cow();
      case Animal::none:
        return;
    }
  }

 private:
  Point at(double u, double v) const {
    return {item_.box.left + item_.width() * (mirrored_ ? 1 - u : u), item_.base - item_.height() * v};
  }
  std::vector<Point> places(std::initializer_list<Point> local) const {
    std::vector<Point> result;
    for (const auto& [u, v] : local) {
      result.push_back(at(u, v));
    }
    return result;
  }
  void body(std::initializer_list<Point> local, Color paint) {
    const std::array<Stop, 2> stops{{{0, stage_.lit(paint, 1.15F)}, {1, stage_.lit(paint, 0.72F)}}};
    stage_.canvas.smooth_polygon(places(local));
    stage_.canvas.fill(Paint::linear(at(0.5, 0.95), at(0.5, 0.3), stops));
  }
  void leg(double u, double knee, double foot, double top, double width, float tone, Color paint) {
    const double w = width;
    stage_.canvas.smooth_polygon(places({{u - w, top},
                                         {u + w, top},
                                         {knee + 0.55 * w, 0.24},
                                         {foot + 0.5 * w, 0.02},
                                         {foot + 0.9 * w, 0},
                                         {foot - 0.7 * w, 0},
                                         {knee - 0.55 * w, 0.24}}));
    stage_.canvas.fill(stage_.lit(paint, tone));
  }
  void line(std::initializer_list<Point> local, Color paint, double width) {
    stage_.canvas.smooth_line(places(local));
    stage_.canvas.stroke(stage_.lit(paint), width * item_.height());
  }
  void dot(double u, double v, double r, Color paint) {
    stage_.canvas.circle(at(u, v), r * item_.height());
    stage_.canvas.fill(stage_.lit(paint));
  }

  void draw_sheep() {
    const Color dark{.16F, .14F, .14F};
    const Color face = stage_.scene.coat == ColorName::black ? Color{.22F, .20F, .19F} : dark;
    for (const double u : {0.24, 0.36, 0.60, 0.71}) {
      stage_.canvas.polyline(places({{u, 0.4}, {u + 0.005, 0.02}}));
      stage_.canvas.stroke(stage_.lit(dark), 0.065 * item_.height());
    }
    const Color wool = stage_.scene.coat == ColorName::white ? Color{.95F, .94F, .90F} : Color{.20F, .18F, .18F};
    struct Ball {
      double u, v, r;
    };
    for (const Ball& ball : {Ball{.20, .62, .19},
                             {.40, .70, .23},
                             {.60, .70, .23},
                             {.74, .64, .19},
                             {.16, .52, .15},
                             {.32, .50, .22},
                             {.52, .48, .23},
                             {.69, .50, .20},
                             {.46, .60, .24}}) {
      draw_tuft(stage_, at(ball.u, ball.v), static_cast<float>(ball.r * item_.height()), wool,
                static_cast<std::uint32_t>(random_.next()), 3, 0.16F);
    }
    stage_.canvas.ellipse(at(0.885, 0.66), 0.12 * item_.width(), 0.115 * item_.height(), mirrored_ ? -0.5 : 0.5);
    stage_.canvas.fill(stage_.lit(face));
    line({{0.80, 0.76}, {0.74, 0.71}}, face, 0.06);
    draw_tuft(stage_, at(0.82, 0.80), 0.085F * item_.height(), wool, static_cast<std::uint32_t>(random_.next()), 3,
              0.16F);
    dot(0.90, 0.69, 0.014, {.85F, .82F, .72F});
  }

  void draw_horse() {
    const bool white = stage_.scene.coat == ColorName::white;
    const Color mane = white                                   ? Color{.66F, .64F, .60F}
                       : stage_.scene.coat == ColorName::brown ? Color{.14F, .09F, .06F}
                                                               : Color{.06F, .06F, .07F};
    const Color coat = stage_.scene.coat == ColorName::brown ? Color{.46F, .27F, .14F} : coat_;
    leg(0.27, 0.25, 0.27, 0.5, 0.045, 0.62F, coat);
    leg(0.66, 0.68, 0.68, 0.5, 0.038, 0.62F, coat);
    line({{0.15, 0.68}, {0.07, 0.56}, {0.08, 0.34}}, mane, 0.075);
    body({{0.14, 0.66}, {0.22, 0.74}, {0.38, 0.70},  {0.54, 0.72},  {0.63, 0.80}, {0.74, 0.95}, {0.79, 0.985},
          {0.84, 0.96}, {0.90, 0.88}, {0.975, 0.77}, {0.975, 0.72}, {0.93, 0.70}, {0.86, 0.76}, {0.81, 0.76},
          {0.76, 0.66}, {0.73, 0.50}, {0.66, 0.41},  {0.50, 0.38},  {0.36, 0.42}, {0.26, 0.38}, {0.16, 0.48}},
         coat);
    leg(0.22, 0.17, 0.19, 0.52, 0.055, 0.9F, coat);
    leg(0.70, 0.735, 0.72, 0.52, 0.042, 0.9F, coat);
    stage_.canvas.polygon(places({{0.775, 0.95}, {0.785, 1.0}, {0.815, 0.955}}));
    stage_.canvas.fill(stage_.lit(coat, 0.9F));
    line({{0.77, 0.965}, {0.70, 0.90}, {0.63, 0.78}, {0.60, 0.70}}, mane, 0.06);
    dot(0.862, 0.885, 0.014, white ? Color{.15F, .12F, .1F} : Color{.03F, .03F, .03F});
  }

  void draw_cow() {
    const Color hide = stage_.scene.coat == ColorName::brown ? Color{.47F, .28F, .15F} : coat_;
    leg(0.20, 0.19, 0.2, 0.5, 0.05, 0.62F, hide);
    leg(0.66, 0.66, 0.67, 0.5, 0.045, 0.62F, hide);
    line({{0.085, 0.75}, {0.055, 0.55}, {0.06, 0.36}}, hide * 0.8F, 0.03);
    dot(0.06, 0.34, 0.04, hide * 0.6F);
    body({{0.08, 0.70},
          {0.11, 0.79},
          {0.30, 0.80},
          {0.50, 0.79},
          {0.66, 0.83},
          {0.76, 0.87},
          {0.83, 0.91},
          {0.88, 0.87},
          {0.95, 0.70},
          {0.965, 0.64},
          {0.93, 0.60},
          {0.87, 0.63},
          {0.80, 0.66},
          {0.76, 0.54},
          {0.70, 0.42},
          {0.52, 0.36},
          {0.34, 0.37},
          {0.22, 0.36},
          {0.11, 0.46}},
         hide);
    leg(0.15, 0.13, 0.14, 0.5, 0.06, 0.92F, hide);
    leg(0.715, 0.72, 0.715, 0.5, 0.05, 0.92F, hide);
    stage_.canvas.ellipse(at(0.29, 0.36), 0.05 * item_.width(), 0.05 * item_.height());
    stage_.canvas.fill(stage_.lit(Color{.85F, .62F, .58F}));
    stage_.canvas.ellipse(at(0.945, 0.635), 0.032 * item_.width(), 0.04 * item_.height());
    stage_.canvas.fill(stage_.lit(Color{.82F, .66F, .58F}));
    line({{0.80, 0.905}, {0.795, 0.97}, {0.825, 0.995}}, {.88F, .84F, .74F}, 0.03);
    line({{0.80, 0.87}, {0.74, 0.84}}, hide * 0.7F, 0.045);
    dot(0.875, 0.79, 0.014, {.03F, .03F, .03F});
  }

  Stage& stage_;
  const Item& item_;
  Random random_;
  bool mirrored_ = false;
  Color coat_;
};

}  // namespace

void draw_animal(Stage& stage, const Item& item) {
  Beast(stage, item).draw();
}

}  // namespace fmboost::drawing
