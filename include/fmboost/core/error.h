#pragma once

#include <stdexcept>
#include <string>

namespace fmboost {

/// Exit codes of the command line; every Error carries its own.
enum class ExitCode {
  ok = 0,
  runtime = 1,       ///< a failure while running, including a single failed item
  usage = 2,         ///< the command line or a setting is invalid
  items = 3,         ///< several items were requested and at least one failed
  model = 4,         ///< a bundle or weight file is missing, damaged or incompatible
  memory = 5,        ///< not enough memory
  interrupted = 130  ///< SIGINT or SIGTERM
};

/// Base of all errors thrown on purpose. The message says what was expected, what was found and what to do.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::runtime)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, ExitCode::usage) {}
};

class ModelError : public Error {
 public:
  explicit ModelError(const std::string& message) : Error(message, ExitCode::model) {}
};

class MemoryError : public Error {
 public:
  explicit MemoryError(const std::string& message) : Error(message, ExitCode::memory) {}
};

class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted", ExitCode::interrupted) {}
};

}  // namespace fmboost
