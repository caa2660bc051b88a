// Errors as values. Everything in Polder that can fail on input returns Result<T>; nothing throws.
#pragma once

#if __cplusplus < 202002L
#error "Polder's C++ headers need C++20 (-std=c++20); C has polder/polder.h"
#endif

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace polder {

// The ten kinds of failure, shared by the library, the commands' --json and the agent's reports.
enum class Code : std::uint8_t {
  kInvalid = 1,   // an argument, attribute, shape or setting is wrong
  kNotFound,      // a file, key, tensor or device does not exist
  kUnsupported,   // valid, but this build cannot do it
  kCorrupt,       // a file breaks its own format: truncated, bad checksum, bad offset
  kIncompatible,  // made for another instruction set, operator set or version
  kExhausted,     // out of memory, disk, or above a stated cap
  kIo,            // the operating system refused to read or write
  kUnavailable,   // a library, plug-in or server is not there now
  kDenied,        // policy or permission forbids it
  kTimeout,       // a deadline passed
};

// The code's name as it appears in --json and reports: "invalid", "not_found", ...
std::string_view code_name(Code code);

// What went wrong: what was expected, what was found, where, and what to do about it.
struct Error {
  Code code;
  std::string message;

  // The same error with "`where`: " before its message, unless that begins so already.
  Error at(std::string_view where) && {
    const std::string prefix = std::string(where) + ": ";
    if (message.compare(0, prefix.size(), prefix) != 0) message.insert(0, prefix);
    return std::move(*this);
  }
};

// A value or an Error. Success costs no allocation. Reading the value of an error aborts: check
// first.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : ok_(true) { new (&value_) T(std::move(value)); }
  Result(Error error) : ok_(false) { new (&error_) Error(std::move(error)); }
  Result(Result&& other) noexcept : ok_(other.ok_) {
    if (ok_) new (&value_) T(std::move(other.value_));
    else new (&error_) Error(std::move(other.error_));
  }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      this->~Result();
      new (this) Result(std::move(other));
    }
    return *this;
  }
  ~Result() {
    if (ok_) value_.~T();
    else error_.~Error();
  }

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  T& value() & { return expect(), value_; }
  const T& value() const& { return expect(), value_; }
  T&& value() && { return expect(), std::move(value_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // The error; valid while this result lives. Aborts when there is none.
  Error& error() & {
    if (ok_) std::abort();
    return error_;
  }
  const Error& error() const& {
    if (ok_) std::abort();
    return error_;
  }
  Error&& error() && {
    if (ok_) std::abort();
    return std::move(error_);
  }

 private:
  void expect() const {
    if (!ok_) std::abort();
  }
  bool ok_;
  union {
    T value_;
    Error error_;
  };
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::make_unique<Error>(std::move(error))) {}

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  Error& error() & {
    if (!error_) std::abort();
    return *error_;
  }
  const Error& error() const& {
    if (!error_) std::abort();
    return *error_;
  }
  Error&& error() && {
    if (!error_) std::abort();
    return std::move(*error_);
  }

 private:
  std::unique_ptr<Error> error_;
};

using Status = Result<void>;

}  // namespace polder
