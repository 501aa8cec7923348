#pragma once

#include <c10/util/StringUtil.h>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmboost/core/enum_names.h"
#include "fmboost/core/error.h"

namespace fmboost {

/// The one strict reader of JSON objects. Errors (ModelError) name the file and the path of the field, what was
/// expected and what was found. A null counts as a missing field.
class JsonReader {
 public:
  using json = nlohmann::json;

  /// Parses an object. `origin` names the text in messages. Throws ModelError for invalid JSON, other values than
  /// objects, keys that occur twice, and deep nesting.
  static JsonReader parse(std::string_view text, const std::string& origin);

  bool has(const std::string& key) const { return value_.contains(key) && !value_.at(key).is_null(); }
  const json& value() const { return value_; }

  /// "'bundle.json', denoiser.schedule"
  std::string where(const std::string& key = "") const;
  [[noreturn]] void fail(const std::string& key, const std::string& expected) const;

  /// The object under `key`.
  JsonReader object(const std::string& key) const;
  /// The objects of the list under `key`; none if it is missing.
  std::vector<JsonReader> objects(const std::string& key) const;

  /// The strings of the list under `key`; none if it is missing.
  std::vector<std::string> texts(const std::string& key) const;
  /// The integers of the list under `key`, which is required.
  std::vector<std::int64_t> whole_numbers(const std::string& key) const;

  template <typename T>
  T get(const std::string& key) const {
    if (!has(key)) {
      fail(key, "a value");
    }
    return convert<T>(key);
  }
  template <typename T>
  T get_or(const std::string& key, T missing) const {
    return has(key) ? convert<T>(key) : std::move(missing);
  }
  /// A name of kEnumNames<Enum>.
  template <typename Enum>
  Enum get_enum(const std::string& key) const {
    try {
      return parse_enum<Enum>(get<std::string>(key));
    } catch (const UsageError& error) {
      throw ModelError(where(key) + ": " + error.what());
    }
  }
  template <typename Enum>
  Enum get_enum_or(const std::string& key, Enum missing) const {
    return has(key) ? get_enum<Enum>(key) : missing;
  }
  template <typename T>
  T get_in(const std::string& key, T low, T high) const {
    const T value = get<T>(key);
    if (!(value >= low && value <= high)) {
      fail(key, "a number from " + json(low).dump() + " to " + json(high).dump());
    }
    return value;
  }
  template <typename T>
  T get_in_or(const std::string& key, T missing, T low, T high) const {
    return has(key) ? get_in<T>(key, low, high) : missing;
  }

 private:
  JsonReader(json value, std::string origin, std::string path)
      : value_(std::move(value)), origin_(std::move(origin)), path_(std::move(path)) {}

  // Stricter than the library, which converts true to 1 and 2.5 to 2.
  template <typename T>
  T convert(const std::string& key) const {
    const json& found = value_.at(key);
    if constexpr (std::is_same_v<T, std::string>) {
      require_type(found.is_string(), key, "a text");
    } else if constexpr (std::is_same_v<T, bool>) {
      require_type(found.is_boolean(), key, "true or false");
    } else if constexpr (std::is_integral_v<T>) {
      require_type(found.is_number_integer(), key, "a whole number");
      const bool in_range = found.is_number_unsigned() ? std::in_range<T>(found.get<std::uint64_t>())
                                                       : std::in_range<T>(found.get<std::int64_t>());
      require_type(in_range, key, c10::str("a whole number of at most ", 8 * sizeof(T), " bits"));
    } else {
      require_type(found.is_number(), key, "a number");
    }
    return found.get<T>();
  }
  void require_type(bool fits, const std::string& key, const std::string& expected) const {
    if (!fits) {
      fail(key, expected);
    }
  }

  json value_;
  std::string origin_;
  std::string path_;
};

}  // namespace fmboost
