#pragma once

#include <string_view>

namespace fovea::server {

/// What GET / shows: the endpoints, a form to try one, and a command to copy. It loads nothing else.
inline constexpr std::string_view kIndexPage = R"html(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fovea</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }
  code, pre { background: #8882; border-radius: 4px; padding: .1em .3em; }
  pre { padding: .8em; overflow-x: auto; }
  td { padding: .2em 1.2em .2em 0; vertical-align: top; }
  :root { color-scheme: light dark; }
</style>
<h1>fovea</h1>
<p>This server reads pictures. Try it:</p>
<form method="post" action="/recognize" enctype="multipart/form-data">
  <label>A JPEG, PNG or WebP file: <input type="file" name="file" accept="image/*" required></label>
  <button>Recognise</button>
</form>
<p>Or from a shell, with the picture as the body or as the form part <code>file</code>:</p>
<pre>curl -F file=@picture.jpg http://HOST:PORT/recognize</pre>
<table>
  <tr><td><code>POST /recognize</code></td><td>what the picture shows, as JSON; <code>task</code> as query parameter or form field</td></tr>
  <tr><td><code>GET /v1/models</code></td><td>the models that are loaded</td></tr>
  <tr><td><code>GET /healthz</code></td><td>200 while the process is alive</td></tr>
  <tr><td><code>GET /readyz</code></td><td>200 while requests can be answered, 503 otherwise</td></tr>
</table>
<p>Errors are <code>application/problem+json</code> (RFC 9457). Every answer carries an <code>X-Request-Id</code>.</p>
</html>
)html";

}  // namespace fovea::server
