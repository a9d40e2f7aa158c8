#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "base/result.h"

namespace fovea::server {

/// Where a server's certificate chain and key lie (PEM). Both empty: no TLS.
struct TlsFiles {
  std::string certificate;
  std::string key;

  [[nodiscard]] bool enabled() const { return !certificate.empty() || !key.empty(); }
};

/// TLS 1.2 and 1.3 with that certificate. Errors: kUsage, naming the file and what is wrong with it.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const TlsFiles& files);

}  // namespace fovea::server
