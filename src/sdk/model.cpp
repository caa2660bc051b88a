// The C++ interface of libpolder.
#include <polder/model.h>

#include "base/text.h"
#include "sdk/open.h"

namespace polder {

// Errors name what stands in the model's file: they are fit to be shown from here on.

struct Model::Impl {
  std::unique_ptr<Session> session;
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Result<Model> Model::open(const std::string& path, const OpenOptions& options) {
  auto session = open_session(path, options);
  if (!session) return fit_to_show(std::move(session).error());
  return Model(std::make_unique<Impl>(Impl{std::move(*session)}));
}

Result<Model> Model::open_plan(std::shared_ptr<const void> owner, std::span<const std::byte> bytes,
                               const OpenOptions& options) {
  auto session = open_plan_session(std::move(owner), bytes, options);
  if (!session) return fit_to_show(std::move(session).error());
  return Model(std::make_unique<Impl>(Impl{std::move(*session)}));
}

std::span<const Port> Model::inputs() const { return impl_->session->inputs(); }
std::span<const Port> Model::outputs() const { return impl_->session->outputs(); }
Status Model::run(std::span<const TensorView> inputs) {
  Status status = impl_->session->run(inputs);
  return status.ok() ? std::move(status) : fit_to_show(std::move(status).error());
}
TensorView Model::output(int index) const { return impl_->session->output(index); }
std::size_t Model::arena_bytes() const { return impl_->session->arena_bytes(); }

const char* version() { return POLDER_VERSION; }

}  // namespace polder
