#include "agent/model_file.h"

#include "base/fail.h"
#include "platform/random_access.h"
#include "trust/sealed_file.h"

namespace polder::agent {

Result<std::unique_ptr<Session>> open_model_file(const proto::ModelFile& model, int threads) {
  if (model.content_key.empty()) return Session::open(model.path, {.threads = threads});
  TRY_VALUE(const trust::ContentKey key,
            trust::ContentKey::from_bytes(trust::Secret::copy(model.content_key.view())));
  TRY_VALUE(const auto file, open_readable(model.path));
  TRY_VALUE(trust::SealedFile sealed, trust::SealedFile::open(*file, key));
  TRY_VALUE(PrivateMemory memory, sealed.open_all());
  const auto plain = std::make_shared<const PrivateMemory>(std::move(memory));
  auto plan = Plan::from_bytes(plain, plain->bytes());
  if (!plan.ok()) return std::move(plan).error().at(model.path);
  return Session::open(std::move(*plan), {.threads = threads});
}

}  // namespace polder::agent
