#include "server/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace fovea::server {
namespace {

using ::testing::HasSubstr;

/// One part with these header lines (each with its CRLF) and this content, in a whole body.
std::string body_of(std::string_view headers, std::string_view content = "x") {
  return std::string("--b\r\n").append(headers).append("\r\n").append(content).append("\r\n--b--\r\n");
}

std::string disposition(std::string_view parameters) {
  return std::string("Content-Disposition: form-data; ").append(parameters).append("\r\n");
}

Part only_part(const std::string& body) {
  const auto parts = parse_multipart(body, "b");
  EXPECT_TRUE(parts) << parts.error().message;
  if (!parts || parts->size() != 1) {
    ADD_FAILURE() << "expected one part";
    return {};
  }
  return parts->front();
}

std::string filename_of(std::string_view parameters) {
  return only_part(body_of(disposition(std::string("name=\"file\"; ").append(parameters))))
      .filename.value_or("(none)");
}

void expect_refused(std::string_view body, std::string_view why) {
  const auto parts = parse_multipart(body, "b");
  ASSERT_FALSE(parts) << body;
  EXPECT_EQ(parts.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(parts.error().message, HasSubstr(std::string(why)));
}

TEST(MultipartBoundary, IsReadPlainAndQuoted) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc").value(), "abc");
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=\"a b:c\"; charset=utf-8").value(), "a b:c");
  EXPECT_EQ(multipart_boundary("multipart/form-data;charset=x;BOUNDARY = abc ;").value(), "abc");
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=----WebKitFormBoundaryAbC/1=").value(),
            "----WebKitFormBoundaryAbC/1=");
}

TEST(MultipartBoundary, IsRefusedWhenItCannotBeOne) {
  for (const std::string& value :
       {std::string("multipart/form-data"), std::string("multipart/form-data; boundary="),
        std::string("multipart/form-data; boundary=\"abc"),
        std::string("multipart/form-data; boundary=\"a \""),
        std::string("multipart/form-data; boundary=a\x01"), std::string("multipart/form-data; boundary"),
        std::string("multipart/form-data; boundary=a; boundary=b"),
        "multipart/form-data; boundary=" + std::string(71, 'a')}) {
    EXPECT_FALSE(multipart_boundary(value)) << value;
  }
}

TEST(Multipart, KeepsEveryByteOfAPart) {
  std::string content;
  for (int i = 0; i < 256; ++i) content.push_back(static_cast<char>(i));
  content += "\r\n--bee\r\n--\r\n\r\n--b-\r\n-b--\n--b\r\n";  // nearly delimiters, all of them
  const std::string body =
      body_of(disposition("name=\"file\"; filename=\"a.png\"") + "Content-Type: image/png\r\n", content);
  const Part part = only_part(body);
  EXPECT_EQ(part.name, "file");
  EXPECT_EQ(part.filename, "a.png");
  EXPECT_EQ(part.content_type, "image/png");
  EXPECT_EQ(part.body, content);
}

TEST(Multipart, SkipsPreambleAndEpilogueAndPadding) {
  const std::string body = "preamble --b\r\nmore\r\n--b \t\r\n" + disposition("name=a") + "\r\n1\r\n--b\r\n" +
                           disposition("name=b") + "\r\n2\r\n--b--epilogue\r\n--b\r\n";
  const auto parts = parse_multipart(body, "b");
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 2);
  EXPECT_EQ((*parts)[0].body, "1");
  EXPECT_EQ((*parts)[1].name, "b");
  EXPECT_EQ((*parts)[1].body, "2");
}

TEST(Multipart, ReadsEmptyPartsAndEmptyForms) {
  EXPECT_EQ(only_part(body_of(disposition("name=a"), "")).body, "");
  EXPECT_EQ(only_part("--b\r\n" + disposition("name=a") + "\r\n--b--").body, "");  // one CRLF serves twice
  EXPECT_TRUE(parse_multipart("--b--\r\n", "b").value().empty());
  EXPECT_TRUE(parse_multipart("\r\n--b--", "b").value().empty());
}

TEST(Multipart, UnderstandsFileNamesAsClientsWriteThem) {
  EXPECT_EQ(filename_of(R"(filename="a b.png")"), "a b.png");
  EXPECT_EQ(filename_of(R"(filename=plain.png)"), "plain.png");
  EXPECT_EQ(filename_of(R"(filename="a\"b\\c.png")"), "c.png");     // older curl: escaped, then a path
  EXPECT_EQ(filename_of(R"(filename="a%22b.png")"), "a\"b.png");    // browsers, newer curl
  EXPECT_EQ(filename_of(R"(filename="C:\scans\a.png")"), "a.png");  // old browsers
  EXPECT_EQ(filename_of(R"(filename="../../etc/passwd")"), "passwd");
  EXPECT_EQ(filename_of(R"(filename="")"), "");
  EXPECT_EQ(filename_of("filename=\"\xc3\xa9.png\""), "\xc3\xa9.png");
  EXPECT_EQ(filename_of("filename*=UTF-8''%C3%A9%20x.png"), "\xc3\xa9 x.png");  // Python
  EXPECT_EQ(filename_of("filename*=iso-8859-1'en'%E9.png; filename=e.png"), "\xc3\xa9.png");
  EXPECT_EQ(filename_of("size=1"), "(none)");
}

TEST(Multipart, ReadsHeadersWhateverTheirCaseAndSpacing) {
  const Part part = only_part(body_of(
      "CONTENT-DISPOSITION:  Form-Data ;Name = \"a\" ; \r\ncontent-type:\ttext/plain \r\nX-Other: \"\r\n"));
  EXPECT_EQ(part.name, "a");
  EXPECT_EQ(part.content_type, "text/plain");
}

TEST(Multipart, RefusesWhatIsCutOff) {
  const std::string whole = body_of(disposition("name=\"file\"; filename=\"a.png\""), "content");
  const std::size_t closed = whole.size() - 2;  // the last CRLF may be missing
  for (std::size_t length = 0; length < closed; ++length) {
    EXPECT_FALSE(parse_multipart(whole.substr(0, length), "b")) << length;
  }
  EXPECT_TRUE(parse_multipart(whole.substr(0, closed), "b"));
}

TEST(Multipart, RefusesMalformedHeaders) {
  expect_refused(body_of(""), "without Content-Disposition");
  expect_refused(body_of("Content-Type: text/plain\r\n"), "without Content-Disposition");
  expect_refused(body_of("Content-Disposition: attachment; name=a\r\n"), "not form-data");
  expect_refused(body_of(disposition("filename=a")), "without a name");
  expect_refused(body_of(disposition("name=a") + disposition("name=b")), "two Content-Disposition");
  expect_refused(body_of(disposition("name=a; name=b")), "given twice");
  expect_refused(body_of(disposition("name=\"a")), "closing quote");
  expect_refused(body_of(disposition("name=\"a\"b")), "after a header parameter");
  expect_refused(body_of(disposition("name")), "not name=value");
  expect_refused(body_of(disposition("name=a; filename*=x")), "filename*");
  expect_refused(body_of(disposition("name=a; filename*=utf-16''x")), "filename*");
  expect_refused(body_of(disposition("name=a; filename*=utf-8''%zz")), "filename*");
  expect_refused(body_of(" folded\r\n" + disposition("name=a")), "not name: value");
  expect_refused(body_of("no colon\r\n" + disposition("name=a")), "not name: value");
  expect_refused(body_of(disposition("name=a") + "X: a\nb\r\n"), "control character");
  expect_refused(body_of(disposition("name=a") + "Content-Transfer-Encoding: base64\r\n"),
                 "Content-Transfer-Encoding");
}

TEST(Multipart, TakesBareLineFeedsForContentOnly) {
  EXPECT_FALSE(parse_multipart("--b\nX\n\n--b--\n", "b"));
}

TEST(Multipart, LimitsPartsAndHeaders) {
  const MultipartLimits limits{.max_parts = 2, .max_header_bytes = 100};
  const std::string part = "--b\r\n" + disposition("name=a") + "\r\nx\r\n";
  EXPECT_TRUE(parse_multipart(part + part + "--b--", "b", limits));
  EXPECT_FALSE(parse_multipart(part + part + part + "--b--", "b", limits));
  const auto padded = [&](std::size_t header_bytes) {
    const std::string start = disposition("name=a") + "X: ";
    return body_of(start + std::string(header_bytes - start.size() - 4, 'x') + "\r\n");
  };
  EXPECT_TRUE(parse_multipart(padded(100), "b", limits));
  EXPECT_FALSE(parse_multipart(padded(101), "b", limits));
}

}  // namespace
}  // namespace fovea::server
