#include <polder/error.h>

namespace polder {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kNotFound: return "not_found";
    case Code::kUnsupported: return "unsupported";
    case Code::kCorrupt: return "corrupt";
    case Code::kIncompatible: return "incompatible";
    case Code::kExhausted: return "exhausted";
    case Code::kIo: return "io";
    case Code::kUnavailable: return "unavailable";
    case Code::kDenied: return "denied";
    case Code::kTimeout: return "timeout";
  }
  return "unknown";
}

}  // namespace polder
