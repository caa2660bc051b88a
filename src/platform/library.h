// Shared libraries loaded at run time, and where this program lies.
#pragma once

#include <polder/error.h>

#include <string>

namespace polder {

// Stays loaded until destroyed: what symbol() gave must not be used after that.
class SharedLibrary {
 public:
  // Errors: kUnavailable with the loader's reason.
  static Result<SharedLibrary> open(const std::string& path);
  SharedLibrary(SharedLibrary&& other) noexcept;
  SharedLibrary& operator=(SharedLibrary&& other) noexcept;
  ~SharedLibrary();
  // It stays loaded until the end of the process, whatever becomes of this.
  void stay() { handle_ = nullptr; }
  // nullptr when there is no such symbol.
  void* symbol(const char* name) const;

 private:
  explicit SharedLibrary(void* handle) : handle_(handle) {}
  void* handle_;
};

// The folder of the running program's file; empty when the system does not tell.
std::string program_folder();

}  // namespace polder
