#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fmboost/core/enum_names.h"
#include "fmboost/pipeline/sizes.h"

namespace fmboost::tool {

/// Thrown by readers for a value of another type, or one that its field cannot hold.
struct WrongValue : std::exception {};

/// How a setting appears to the user.
struct SettingText {
  std::string name;   ///< in JSON and, in backticks, in messages; the flag has dashes for underscores
  const char* group;  ///< heading in the help
  std::string help;
  std::string flags = {};                               ///< "-p,--prompt"; empty: the name's flag
  std::string shown = {};                               ///< default to show in the help
  bool negated = false;                                 ///< a flag that sets the field to false
  std::optional<std::pair<double, double>> range = {};  ///< allowed numbers, both included
};

/// One setting of a `Target`: its names, and how its field is read from JSON, from the command line, and written.
template <typename Target>
struct Setting {
  SettingText text;
  std::string type;  ///< "TEXT", "INT" or "FLOAT"; "BOOL" for flags without a value
  std::function<void(const nlohmann::json& value, Target& target)> read;  ///< throws UsageError or WrongValue
  std::function<nlohmann::json(const Target& target)> write;              ///< null: left open
  std::function<nlohmann::json(const std::string& text)> parse;           ///< argument of the flag to JSON
};

/// Field types: their JSON and the type that help shows.
template <typename Field>
struct SettingCodec;

/// Exact conversions of JSON numbers: nlohmann's own cut fractions off and let integers wrap around.
template <typename Integer>
Integer whole_number_of(const nlohmann::json& value) {
  const bool fits = value.is_number_unsigned()  ? std::in_range<Integer>(value.get<std::uint64_t>())
                    : value.is_number_integer() ? std::in_range<Integer>(value.get<std::int64_t>())
                                                : false;
  return fits ? value.get<Integer>() : throw WrongValue();
}

template <>
struct SettingCodec<std::string> {
  static constexpr const char* type = "TEXT";
  static std::string read(const nlohmann::json& value) { return value.get<std::string>(); }
  static nlohmann::json write(const std::string& value) { return value; }
};

template <>
struct SettingCodec<bool> {
  static constexpr const char* type = "BOOL";
  static bool read(const nlohmann::json& value) { return value.get<bool>(); }
  static nlohmann::json write(bool value) { return value; }
};

template <std::integral Integer>
struct SettingCodec<Integer> {
  static constexpr const char* type = "INT";
  static Integer read(const nlohmann::json& value) { return whole_number_of<Integer>(value); }
  static nlohmann::json write(Integer value) { return value; }
};

template <>
struct SettingCodec<double> {
  static constexpr const char* type = "FLOAT";
  static double read(const nlohmann::json& value) {
    return value.is_number() ? value.get<double>() : throw WrongValue();
  }
  static nlohmann::json write(double value) { return value; }
};

template <>
struct SettingCodec<Size> {
  static constexpr const char* type = "TEXT";
  static Size read(const nlohmann::json& value) {
    return parse_size(value.is_number() ? value.dump() : value.get<std::string>());
  }
  static nlohmann::json write(const Size& value) { return to_string(value); }
};

template <typename Enum>
requires std::is_enum_v<Enum>
struct SettingCodec<Enum> {
  static constexpr const char* type = "TEXT";
  static Enum read(const nlohmann::json& value) { return parse_enum<Enum>(value.get<std::string>()); }
  static nlohmann::json write(Enum value) { return enum_name(value); }
};

template <typename Field>
struct SettingCodec<std::optional<Field>> {
  static constexpr const char* type = SettingCodec<Field>::type;
  static std::optional<Field> read(const nlohmann::json& value) { return SettingCodec<Field>::read(value); }
  static nlohmann::json write(const std::optional<Field>& value) {
    return value ? SettingCodec<Field>::write(*value) : nlohmann::json();
  }
};

/// An argument of the command line as JSON. Throws WrongValue if `type` needs a number and the argument is none.
nlohmann::json argument_to_json(const std::string& argument, const std::string& type);

/// Throws UsageError when a number is outside the setting's range.
void check_range(const SettingText& text, const nlohmann::json& value);

/// The setting whose field `field` returns; `field` is a generic lambda: [](auto& target) -> auto& {...}.
template <typename Target, typename Accessor>
Setting<Target> make_setting(SettingText text, Accessor field) {
  using Codec = SettingCodec<std::remove_cvref_t<decltype(field(std::declval<Target&>()))>>;
  Setting<Target> setting;
  setting.type = Codec::type;
  setting.read = [text, field](const nlohmann::json& value, Target& target) {
    check_range(text, value);
    field(target) = Codec::read(value);
  };
  setting.write = [field](const Target& target) { return Codec::write(field(target)); };
  setting.parse = [type = setting.type](const std::string& argument) { return argument_to_json(argument, type); };
  setting.text = std::move(text);
  return setting;
}

/// Settings of a part of `Whole` as settings of the whole.
template <typename Whole, typename Part>
std::vector<Setting<Whole>> settings_of_part(const std::vector<Setting<Part>>& settings, Part Whole::*part) {
  std::vector<Setting<Whole>> result;
  for (const auto& setting : settings) {
    result.push_back({setting.text, setting.type,
                      [setting, part](const nlohmann::json& value, Whole& whole) { setting.read(value, whole.*part); },
                      [setting, part](const Whole& whole) { return setting.write(whole.*part); }, setting.parse});
  }
  return result;
}

/// "--flow-steps" of "flow_steps", "--no-upscale" of a negated "upscale".
std::string flag_of(const SettingText& text);

/// Adds the option of a setting, without a variable: read_given() reads it.
CLI::Option* add_setting(CLI::App& app, const SettingText& text, const std::string& type);
/// The argument that the option of a setting was given, as JSON; null when it was not given. Throws UsageError.
nlohmann::json given_argument(const CLI::App& app, const SettingText& text,
                              const std::function<nlohmann::json(const std::string&)>& parse);
[[noreturn]] void fail_setting(const SettingText& text, const nlohmann::json& value);

template <typename Target>
void add_settings(CLI::App& app, const std::vector<Setting<Target>>& settings) {
  for (const auto& setting : settings) {
    add_setting(app, setting.text, setting.type);
  }
}

/// Reads the options that were given, on the command line or in a configuration file. Throws UsageError.
template <typename Target>
void read_given(const CLI::App& app, const std::vector<Setting<Target>>& settings, Target& target) {
  for (const auto& setting : settings) {
    const nlohmann::json value = given_argument(app, setting.text, setting.parse);
    if (value.is_null()) {
      continue;
    }
    try {
      setting.read(value, target);
    } catch (const WrongValue&) {
      fail_setting(setting.text, value);
    }
  }
}

/// Every setting that is not left open.
template <typename Target>
nlohmann::json settings_to_json(const std::vector<Setting<Target>>& settings, const Target& target) {
  nlohmann::json result = nlohmann::json::object();
  for (const auto& setting : settings) {
    nlohmann::json value = setting.write(target);
    if (!value.is_null()) {
      result[setting.text.name] = std::move(value);
    }
  }
  return result;
}

}  // namespace fmboost::tool
