#include "fmboost/core/enum_names.h"

#include "fmboost/core/error.h"

namespace fmboost {

std::string list_choices(const std::vector<std::string>& names) {
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool last = i + 1 == names.size();
    list += (i == 0 ? "" : last ? " or " : ", ") + names[i];
  }
  return list;
}

void throw_unknown_name(std::string_view subject, std::string_view name, const std::vector<std::string>& names) {
  throw UsageError("unknown " + std::string(subject) + " '" + std::string(name) + "': use " + list_choices(names));
}

}  // namespace fmboost
