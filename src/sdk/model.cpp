// The C++ interface of libpolder.
#include <polder/model.h>

#include "sdk/open.h"

namespace polder {

struct Model::Impl {
  std::unique_ptr<Session> session;
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Result<Model> Model::open(const std::string& path, const OpenOptions& options) {
  auto session = open_session(path, options);
  if (!session) return std::move(session).error();
  return Model(std::make_unique<Impl>(Impl{std::move(*session)}));
}

std::span<const Port> Model::inputs() const { return impl_->session->inputs(); }
std::span<const Port> Model::outputs() const { return impl_->session->outputs(); }
Status Model::run(std::span<const TensorView> inputs) { return impl_->session->run(inputs); }
TensorView Model::output(int index) const { return impl_->session->output(index); }
std::size_t Model::arena_bytes() const { return impl_->session->arena_bytes(); }

const char* version() { return POLDER_VERSION; }

}  // namespace polder
