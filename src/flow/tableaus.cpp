#include <algorithm>

#include "flow/runge_kutta.h"

namespace fmboost {

const std::vector<Tableau>& tableaus() {
  // Sources: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, II.1 (midpoint, Heun of third order,
  // the 3/8 rule of Kutta), II.5 (Dormand-Prince 5(4)); Bogacki & Shampine 1989 (3(2)). Errors: b minus the embedded
  // weights.
  static const std::vector<Tableau> all = {
      {"euler", 1, {0}, {{}}, {1}, {}},
      {"midpoint", 2, {0, 1. / 2}, {{}, {1. / 2}}, {0, 1}, {}},
      {"rk4",
       4,
       {0, 1. / 3, 2. / 3, 1},
       {{}, {1. / 3}, {-1. / 3, 1}, {1, -1, 1}},
       {1. / 8, 3. / 8, 3. / 8, 1. / 8},
       {}},
      {"heun3", 3, {0, 1. / 3, 2. / 3}, {{}, {1. / 3}, {0, 2. / 3}}, {1. / 4, 0, 3. / 4}, {}},
      {"dopri5",
       5,
       {0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1},
       {{},
        {1. / 5},
        {3. / 40, 9. / 40},
        {44. / 45, -56. / 15, 32. / 9},
        {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
        {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
        {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84}},
       {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84, 0},
       {71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40}},
      {"bosh3",
       3,
       {0, 1. / 2, 3. / 4, 1},
       {{}, {1. / 2}, {0, 3. / 4}, {2. / 9, 1. / 3, 4. / 9}},
       {2. / 9, 1. / 3, 4. / 9, 0},
       {2. / 9 - 7. / 24, 1. / 3 - 1. / 4, 4. / 9 - 1. / 3, -1. / 8}},
  };
  return all;
}

const Tableau* find_tableau(std::string_view name) {
  const auto found =
      std::find_if(tableaus().begin(), tableaus().end(), [&](const Tableau& method) { return method.name == name; });
  return found == tableaus().end() ? nullptr : &*found;
}

}  // namespace fmboost
