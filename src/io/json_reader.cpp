#include "io/json_reader.h"

#include <algorithm>
#include <set>

namespace fmboost {

JsonReader JsonReader::parse(std::string_view text, const std::string& origin) {
  // The library copies and prints recursively: hostile nesting would exhaust the stack.
  constexpr int kMaxDepth = 32;
  std::vector<std::set<std::string>> keys;  // of the objects around the current position
  const auto check = [&](int depth, json::parse_event_t event, const json& parsed) {
    if (depth > kMaxDepth) {
      throw ModelError("'" + origin + "' is nested too deeply: at most " + std::to_string(kMaxDepth) + " levels");
    }
    if (event == json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw ModelError("'" + origin + "': '" + parsed.get<std::string>() + "' occurs twice in one object");
    }
    return true;
  };
  json value;
  try {
    value = json::parse(text, check);
  } catch (const json::parse_error& error) {
    throw ModelError("'" + origin + "' is not valid JSON (byte " + std::to_string(error.byte) + ")");
  } catch (const json::out_of_range&) {
    throw ModelError("'" + origin + "' is not valid JSON: it contains a number that is out of range");
  }
  if (!value.is_object()) {
    throw ModelError("'" + origin + "' must hold a JSON object");
  }
  return {std::move(value), origin, ""};
}

std::string JsonReader::where(const std::string& key) const {
  const std::string full = path_.empty() || key.empty() ? path_ + key : path_ + "." + key;
  return "'" + origin_ + "'" + (full.empty() ? "" : ", " + full);
}

void JsonReader::fail(const std::string& key, const std::string& expected) const {
  const std::string found = value_.contains(key) ? value_.at(key).dump(-1, ' ', false, json::error_handler_t::replace)
                                                 : std::string("nothing");
  throw ModelError(where(key) + ": expected " + expected + ", found " + found.substr(0, 100));
}

JsonReader JsonReader::object(const std::string& key) const {
  if (!has(key) || !value_.at(key).is_object()) {
    fail(key, "an object");
  }
  return {value_.at(key), origin_, path_.empty() ? key : path_ + "." + key};
}

std::vector<JsonReader> JsonReader::objects(const std::string& key) const {
  std::vector<JsonReader> result;
  if (!has(key)) {
    return result;
  }
  const json& list = value_.at(key);
  if (!list.is_array()) {
    fail(key, "a list of objects");
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string name = key + "[" + std::to_string(i) + "]";
    if (!list[i].is_object()) {
      fail(key, "a list of objects");
    }
    result.push_back(JsonReader(list[i], origin_, path_.empty() ? name : path_ + "." + name));
  }
  return result;
}

std::vector<std::string> JsonReader::texts(const std::string& key) const {
  std::vector<std::string> result;
  if (!has(key)) {
    return result;
  }
  const json& list = value_.at(key);
  const bool fits =
      list.is_array() && std::all_of(list.begin(), list.end(), [](const json& v) { return v.is_string(); });
  require_type(fits, key, "a list of texts");
  return list.get<std::vector<std::string>>();
}

std::vector<std::int64_t> JsonReader::whole_numbers(const std::string& key) const {
  const bool fits = has(key) && value_.at(key).is_array() &&
                    std::all_of(value_.at(key).begin(), value_.at(key).end(), [](const json& v) {
                      return v.is_number_integer() &&
                             (!v.is_number_unsigned() || std::in_range<std::int64_t>(v.get<std::uint64_t>()));
                    });
  require_type(fits, key, "a list of whole numbers");
  return value_.at(key).get<std::vector<std::int64_t>>();
}

}  // namespace fmboost
