// A program that is read before it is run, and is then the very file that was read.
//
//   TRY_VALUE(const ProgramFile program, ProgramFile::open(path));
//   ...hashes program.size() bytes of program.read()
//   return program.become(argv);
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace polder {

class Descriptor;

// Not thread-safe.
class ProgramFile {
 public:
  // A link is not followed. Errors: kNotFound, kDenied, kInvalid for what is no regular file, kIo.
  static Result<ProgramFile> open(const std::string& path);
  ProgramFile(ProgramFile&& other) noexcept;
  ~ProgramFile();

  // When it was opened.
  std::uint64_t size() const { return size_; }
  // Fewer bytes than asked for only at the end. Errors: kIo.
  Result<std::size_t> read(std::uint64_t offset, std::span<char> out) const;
  // This process becomes it, with the environment as it is. Whatever its name leads to by now, it
  // is the file that was opened; who may write that file could still change it. Returns on an error
  // only: kIo.
  Status become(char* const* argv) const;

 private:
  ProgramFile(std::string path, std::unique_ptr<Descriptor> file, std::uint64_t size);

  std::string path_;
  std::unique_ptr<Descriptor> file_;
  std::uint64_t size_;
};

}  // namespace polder
