// Who asks: people by tokens, devices by certificates.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "hub/hub.h"

namespace polder::hub {

// Each may do what those before it may; in the order of kRoles (roles.h).
enum class Role : std::uint8_t { kViewer, kOperator, kReleaser, kAdmin };
std::string_view role_name(Role role);
// Errors: kInvalid, naming the roles that exist.
Result<Role> role_from_name(std::string_view name);

struct Person {
  std::string name;
  Role role = Role::kViewer;
};
// Of a header "Bearer TOKEN". Errors: kDenied; those of stored().
Result<Person> person_of(const Hub& hub, std::string_view authorization);

struct EnrolledDevice {
  std::string id, serial, key_id;
  std::int64_t from_s = 0, until_s = 0;  // of the certificate
  bool by_key = false;                   // known by its key alone: see known_key()
};
// Of a certificate. Errors: kDenied; those of stored().
Result<EnrolledDevice> device_of(const Hub& hub, std::string_view certificate_pem);

// Of a certificate that device_of() has refused: where it is another authority's, by the key that
// it is for, which the handshake has shown to be there, a device that was enrolled with an
// authority before. Errors: `refused` for any other; kDenied where it is revoked or its last
// certificate has ended; those of stored().
Result<EnrolledDevice> known_key(const Hub& hub, std::string_view certificate_pem, Error refused);

// A name that is fit for addresses, logs and files: 1 to 64 letters, digits, '.', '_' and '-', the
// first a letter or digit. Errors: kInvalid.
Status check_name(std::string_view what, std::string_view name);
// A name for a person or a device, by which the audit log has what they do: none of the hub's own.
Status check_actor(std::string_view what, std::string_view name);
// For a device that is to be, moreover: none under which the repository has what is for others.
Status check_device(std::string_view what, std::string_view name);

}  // namespace polder::hub
