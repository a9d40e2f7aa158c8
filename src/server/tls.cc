#include "server/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include <utility>

namespace fovea::server {

namespace ssl = boost::asio::ssl;

Result<std::shared_ptr<ssl::context>> make_tls_context(const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty()) {
    return fail(ErrorCode::kUsage, "TLS needs both a certificate and a key");
  }
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                           ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                       error);
  if (!error) context->use_certificate_chain_file(files.certificate, error);
  if (error) {
    return fail(ErrorCode::kUsage,
                fmt::format("{}: cannot be used as a certificate: {}", files.certificate, error.message()));
  }
  context->use_private_key_file(files.key, ssl::context::pem, error);
  if (ERR_GET_REASON(static_cast<unsigned long>(error.value())) == X509_R_KEY_VALUES_MISMATCH ||
      (!error && SSL_CTX_check_private_key(context->native_handle()) != 1)) {
    return fail(ErrorCode::kUsage,
                fmt::format("{} is not the key of the certificate {}", files.key, files.certificate));
  }
  if (error) {
    return fail(ErrorCode::kUsage,
                fmt::format("{}: cannot be used as a key: {}", files.key, error.message()));
  }
  return context;
}

}  // namespace fovea::server
