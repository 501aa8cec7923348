#include "cli/help_formatter.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "cli/option_groups.h"

namespace fmboost::tool {
namespace {

constexpr std::size_t kColumn = 30;
constexpr std::size_t kWidth = 110;

// `left` and, in the column beside it, `right`, broken between words.
std::string two_columns(const std::string& left, const std::string& right) {
  std::string text = "  " + left;
  std::size_t column = text.size();
  if (right.empty()) {
    return text + "\n";
  }
  const auto start_line = [&](bool needed) {
    text += needed ? "\n" : "";
    column = needed ? 0 : column;
    text += std::string(kColumn - column, ' ');
    column = kColumn;
  };
  start_line(column + 2 > kColumn);
  std::istringstream words(right);
  for (std::string word; words >> word;) {
    const bool first = column == kColumn;
    if (!first && column + 1 + word.size() > kWidth) {
      start_line(true);
      text += word;
    } else {
      text += (first ? "" : " ") + word;
      column += first ? 0 : 1;
    }
    column += word.size();
  }
  return text + "\n";
}

// "-p, --prompt" of "-p,--prompt"; the values of negated flags ("--no-x{false}") are left out.
std::string spaced_names(const std::string& names) {
  std::string result;
  bool skipping = false;
  for (const char c : names) {
    skipping = c == '{' || (skipping && c != '}');
    if (!skipping && c != '}') {
      result += c;
      result += c == ',' ? " " : "";
    }
  }
  return result;
}

std::string joined_names(const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  for (const auto* option : options) {
    names.push_back(option->get_lnames().empty() ? option->get_name() : "--" + option->get_lnames().front());
  }
  std::sort(names.begin(), names.end());  // the set is in order of addresses
  return CLI::detail::join(names, ", ");
}

// In order of their first option, the general options last; hidden ones are left out.
std::vector<std::string> sorted_groups(const CLI::App& app) {
  std::vector<std::string> groups = app.get_groups();
  groups.erase(std::remove(groups.begin(), groups.end(), ""), groups.end());
  std::stable_partition(groups.begin(), groups.end(), [](const auto& group) { return group != kGeneralGroup; });
  return groups;
}

}  // namespace

HelpFormatter::HelpFormatter() {
  label("SUBCOMMAND", "COMMAND");
  label("Positionals", "Arguments");
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  std::string text = make_description(app) + "\n" + make_usage(app, std::move(name)) + make_positionals(app);
  text += make_subcommands(app, mode);
  for (const auto& group : sorted_groups(*app)) {
    const auto options = app->get_options(
        [&](const CLI::Option* option) { return option->get_group() == group && option->nonpositional(); });
    text += options.empty() ? "" : make_group(group, false, options);
  }
  const std::string footer = make_footer(app);
  return text + (footer.empty() ? "" : "\n" + footer);
}

std::string HelpFormatter::make_group(std::string group, bool is_positional,
                                      std::vector<const CLI::Option*> options) const {
  std::string text = "\n" + group + ":\n";
  for (const auto* option : options) {
    text += make_option(option, is_positional);
  }
  return text;
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return two_columns(command->get_name(), command->get_description());
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  return two_columns(spaced_names(make_option_name(option, is_positional)) + make_option_opts(option),
                     make_option_desc(option));
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_type_size() == 0) {
    return "";
  }
  std::string text = option->get_type_name().empty() ? "" : " " + option->get_type_name();
  text += option->get_default_str().empty() ? "" : "=" + option->get_default_str();
  if (option->get_expected_max() == CLI::detail::expected_max_vector_size) {
    text += " ...";
  } else if (option->get_expected_min() > 1) {
    text += " x " + std::to_string(option->get_expected());
  }
  return text + (option->get_required() ? " (required)" : "");
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
  std::string text = option->get_description();
  if (!option->get_needs().empty()) {
    text += " (requires " + joined_names(option->get_needs()) + ")";
  }
  if (!option->get_excludes().empty()) {
    text += " (not with " + joined_names(option->get_excludes()) + ")";
  }
  return text;
}

}  // namespace fmboost::tool
