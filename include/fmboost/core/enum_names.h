#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fmboost {

template <typename Enum>
struct EnumName {
  Enum value;
  std::string_view name;
};

/// The names of an enum's values, as users and files write them.
template <typename Enum, std::size_t N>
struct EnumTable {
  std::string_view subject;  ///< the enum in messages, for example "color fix"
  EnumName<Enum> entries[N];
};

/// Makes a table; every value has one name.
template <typename Enum, std::size_t N>
consteval EnumTable<Enum, N> enum_table(std::string_view subject, const EnumName<Enum> (&entries)[N]) {
  EnumTable<Enum, N> table{subject, {}};
  for (std::size_t i = 0; i < N; ++i) {
    table.entries[i] = entries[i];
  }
  return table;
}

/// The table of an enum, specialized beside the enum:
///
///     enum class ColorFix { none, adain, wavelet };
///     template <>
///     inline constexpr auto kEnumNames<ColorFix> =
///         enum_table<ColorFix>("color fix", {{ColorFix::none, "none"}, {ColorFix::adain, "adain"}, ...});
template <typename Enum>
inline constexpr auto kEnumNames = nullptr;

/// "none, adain or wavelet"
std::string list_choices(const std::vector<std::string>& names);

/// Throws UsageError: "unknown color fix 'x': use none, adain or wavelet".
[[noreturn]] void throw_unknown_name(std::string_view subject, std::string_view name,
                                     const std::vector<std::string>& names);

/// All names of an enum, in the order of its table.
template <typename Enum>
std::vector<std::string> enum_names() {
  std::vector<std::string> names;
  for (const auto& entry : kEnumNames<Enum>.entries) {
    names.emplace_back(entry.name);
  }
  return names;
}

template <typename Enum>
std::string enum_name(Enum value) {
  for (const auto& entry : kEnumNames<Enum>.entries) {
    if (entry.value == value) {
      return std::string(entry.name);
    }
  }
  return "?";  // not a value of the enum
}

/// The value of that name. Throws UsageError listing the names otherwise.
template <typename Enum>
Enum parse_enum(std::string_view name) {
  for (const auto& entry : kEnumNames<Enum>.entries) {
    if (entry.name == name) {
      return entry.value;
    }
  }
  throw_unknown_name(kEnumNames<Enum>.subject, name, enum_names<Enum>());
}

}  // namespace fmboost
