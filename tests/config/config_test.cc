#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/temporary_folder.h"
#include "support/paths.h"

namespace fovea::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Config accepted(const std::string& text) {
  auto config = parse_config(text, "f.toml", "/etc/fovea");
  EXPECT_TRUE(config) << config.error().message;
  return config.value_or(Config{});
}
std::string refusal(const std::string& text) {
  const auto config = parse_config(text, "f.toml", "/etc/fovea");
  if (config) return "accepted";
  EXPECT_EQ(config.error().code, ErrorCode::kUsage);
  return config.error().message;
}

TEST(ConfigTest, AnEmptyFileSaysNothing) {
  const Config config = accepted("");
  EXPECT_EQ(config.server.host, "127.0.0.1");
  EXPECT_EQ(config.server.port, 8080);
  EXPECT_EQ(config.limits.max_body_bytes, 20'000'000U);
  EXPECT_TRUE(config.cache.enabled);
  EXPECT_TRUE(config.models.empty());
}

TEST(ConfigTest, ReadsEverySection) {
  const Config config = accepted(R"(
      [server]
      host = "::"
      port = 9000
      trusted_proxies = ["10.0.0.1"]
      image_hosts = ["cdn.example.com"]
      log_level = "warn"
      [limits]
      max_body_bytes = 1_000
      requests_per_second = 2.5
      [auth]
      key_file = "keys"
      admin_token = "secret"
      [[auth.keys]]
      name = "bench"
      key = "0123456789abcdef"
      requests_per_second = 10
      burst = 20
      [tls]
      certificate = "/abs/chain.pem"
      key = "../key.pem"
      [cache]
      redis_url = "redis://localhost"
      ttl_s = 60
      [engine]
      kv_budget_mb = 512
      dtype = "int8"
      kv_cache = "int8"
      [tasks]
      directories = ["tasks", "/more"]
      [models]
      zebra = "./z"
      ant = "/models/ant"
  )");
  EXPECT_EQ(config.server.host, "::");
  EXPECT_EQ(config.server.port, 9000);
  EXPECT_THAT(config.server.trusted_proxies, ElementsAre("10.0.0.1"));
  EXPECT_THAT(config.server.image_hosts, ElementsAre("cdn.example.com"));
  EXPECT_EQ(config.server.log_level, "warn");
  EXPECT_EQ(config.limits.max_body_bytes, 1000U);
  EXPECT_EQ(config.limits.requests_per_second, 2.5);
  EXPECT_EQ(config.auth.key_file, "/etc/fovea/keys");
  ASSERT_EQ(config.auth.keys.size(), 1U);
  EXPECT_EQ(config.auth.keys[0].name, "bench");
  EXPECT_EQ(config.auth.keys[0].requests_per_second, 10);
  EXPECT_EQ(config.auth.keys[0].burst, 20U);
  EXPECT_EQ(config.tls.certificate, "/abs/chain.pem");
  EXPECT_EQ(config.tls.key, "/etc/key.pem");
  EXPECT_EQ(config.cache.ttl_s, 60);
  EXPECT_EQ(config.engine.kv_budget_mb, 512U);
  EXPECT_EQ(config.engine.dtype, "int8");
  EXPECT_EQ(config.engine.kv_cache, "int8");
  EXPECT_THAT(config.tasks.directories, ElementsAre("/etc/fovea/tasks", "/more"));
  ASSERT_EQ(config.models.size(), 2U);
  EXPECT_EQ(config.models[0].name, "zebra") << "the order of the file";
  EXPECT_EQ(config.models[0].path, "/etc/fovea/z");
  EXPECT_EQ(config.models[1].path, "/models/ant");
}

TEST(ConfigTest, ModelsMayBeAListOfNames) {
  const Config config = accepted("models = [\"b\", \"a\"]\n");
  ASSERT_EQ(config.models.size(), 2U);
  EXPECT_EQ(config.models[0].name, "b");
  EXPECT_EQ(config.models[0].path, "");
}

TEST(ConfigTest, NamesLineAndColumnOfWhatIsWrong) {
  EXPECT_THAT(refusal("[server]\nhost = 5\n"), StartsWith("f.toml:2:8: server.host must be a text"));
  EXPECT_THAT(refusal("[server]\nport = 70000\n"),
              StartsWith("f.toml:2:8: server.port must be a whole number from 0 to 65535"));
  EXPECT_THAT(refusal("[server]\nport = \"80\"\n"), StartsWith("f.toml:2:8: server.port"));
  EXPECT_THAT(refusal("\n[server]\n  prot = 80\n"),
              StartsWith("f.toml:3:3: unknown setting \"prot\" in [server]; known: host, port"));
  EXPECT_THAT(refusal("[sever]\n"), HasSubstr("unknown section \"sever\"; known: server, limits"));
  EXPECT_THAT(refusal("[server\n"), StartsWith("f.toml:1:"));
  EXPECT_THAT(refusal("a = 1\na = 2\n"), StartsWith("f.toml:2:"));
  EXPECT_THAT(refusal("server = 5\n"), StartsWith("f.toml:1:10: server must be a table"));
}

TEST(ConfigTest, ReadsTheRouterAndFaults) {
  const Config config = accepted(R"(
      [router]
      timeout_ms = 2_000
      retry_budget = 0.05
      [router.models.spatial]
      enabled = false
      [router.models.spatial.breaker]
      window_s = 5
      [router.models.card-reader-m]
      slow_call_ms = 800
      [router.breaker]
      minimum_calls = 20
      [router.tasks.trading-card]
      strategy = "cascade"
      threshold = 0.85
      field_thresholds = { number = 0.9 }
      fallback = ["card-reader-xs"]
      shadow_model = "card-reader-l"
      shadow_share = 0.05
      accuracy_critical = false
      [router.tasks.pizza]
      strategy = "ensemble"
      candidates = ["a", "b"]
      weights = { a = 2 }
      [[faults]]
      model = "card-reader-m"
      kind = "slow"
      probability = 0.5
      seed = 7
      after_s = 1.5
  )");
  EXPECT_EQ(config.router.timeout_ms, 2000);
  EXPECT_EQ(config.router.retry_budget, 0.05);
  ASSERT_EQ(config.router.models.size(), 2U);
  const RouterModelConfig& spatial = config.router.models[0];
  EXPECT_EQ(spatial.name, "spatial") << "the order of the file";
  EXPECT_FALSE(spatial.enabled);
  EXPECT_EQ(spatial.breaker.window_s, 5);
  EXPECT_EQ(spatial.breaker.minimum_calls, 20U) << "what is not set for the model is the router's";
  EXPECT_EQ(spatial.place.text, "f.toml:5:7");
  EXPECT_EQ(config.router.models[1].slow_call_ms, 800);
  ASSERT_EQ(config.router.tasks.size(), 2U);
  const RouterTaskConfig& card = config.router.tasks[0];
  EXPECT_EQ(card.strategy, "cascade");
  EXPECT_EQ(card.threshold, 0.85);
  EXPECT_EQ(card.field_thresholds.at("number"), 0.9);
  EXPECT_THAT(card.fallback, ElementsAre("card-reader-xs"));
  EXPECT_EQ(card.accuracy_critical, false);
  EXPECT_EQ(card.complex, std::nullopt);
  EXPECT_EQ(config.router.tasks[1].weights.at("a"), 2);
  ASSERT_EQ(config.faults.size(), 1U);
  EXPECT_EQ(config.faults[0].kind, "slow");
  EXPECT_EQ(config.faults[0].seed, 7U);
}

TEST(ConfigTest, NamesThePlaceOfARoutersMistake) {
  EXPECT_THAT(refusal("[router]\ntimeout = 5\n"), StartsWith("f.toml:2:1: unknown setting \"timeout\""));
  EXPECT_THAT(refusal("[router.tasks.pizza]\nstrategy = \"casade\"\n"),
              StartsWith("f.toml:2:12: router.tasks.pizza.strategy is \"casade\"; expected one of single, "));
  EXPECT_THAT(refusal("[router.tasks.pizza]\nthreshold = 2\n"),
              StartsWith("f.toml:2:13: router.tasks.pizza.threshold must be a number from 0 to 1"));
  EXPECT_THAT(refusal("[router.tasks.pizza]\nfield_thresholds = { label = \"x\" }\n"),
              StartsWith("f.toml:2:30: router.tasks.pizza.field_thresholds.label must be a number"));
  EXPECT_THAT(refusal("[router.tasks.pizza]\nstrategy = \"ensemble\"\n"),
              StartsWith("f.toml:1:1: [router.tasks.pizza]: the strategy ensemble needs two candidates"));
  EXPECT_THAT(refusal("[router.models.a.breaker]\nerror_rate = 0\n"),
              StartsWith("f.toml:2:14: router.models.a.breaker.error_rate must be"));
  EXPECT_THAT(refusal("[[faults]]\nmodel = \"a\"\n"), StartsWith("f.toml:1:1: a fault in [[faults]] needs"));
  EXPECT_THAT(refusal("[router.tasks.a]\nfats = \"b\"\n"),
              HasSubstr("unknown setting \"fats\" in [router.tasks.a]; known: strategy, fast, accurate"));
}

TEST(ConfigTest, RefusesValuesThatMakeNoSense) {
  for (const std::string text : {"[limits]\nmax_connections = 0",
                                 "[limits]\nrequests_per_second = -1",
                                 "[limits]\nrequests_per_second = nan",
                                 "[limits]\nidle_timeout_ms = 0",
                                 "[limits]\nmax_body_bytes = 1.5",
                                 "[server]\nlog_level = \"loud\"",
                                 "[engine]\ndtype = \"int3\"",
                                 "[engine]\nkv_cache = \"f32\"",
                                 "[cache]\nenabled = \"yes\"",
                                 "[auth]\nkeys = [5]",
                                 "[auth]\nkeys = 5",
                                 "[[auth.keys]]\nname = \"a\"",
                                 "[[auth.keys]]\nname = \"a\"\nkey = \"k\"\nkind = \"x\"",
                                 "[tls]\ncertificate = \"c\"",
                                 "[tasks]\ndirectories = \"t\"",
                                 "[tasks]\ndirectories = [1]",
                                 "models = 5",
                                 "models = [5]",
                                 "models = [\"a\", \"a\"]",
                                 "[models]\na = 5",
                                 "[router]\ntasks = 5",
                                 "[router]\nmodels = [\"a\"]",
                                 "[router.tasks]\na = 5",
                                 "[router.tasks.a]\nweights = 5",
                                 "[router.tasks.a]\ncandidates = [\"m\", \"m\"]",
                                 "[router.tasks.a]\nstrategy = \"shadow\"",
                                 "[router.tasks.a]\nstrategy = \"ab\"",
                                 "[router.tasks.a]\nshadow_share = 0.1",
                                 "[router.tasks.a]\nab_model = \"m\"",
                                 "faults = 5",
                                 "faults = [5]",
                                 "[[faults]]\nkind = \"flood\"",
                                 "[[faults]]\nkind = \"hang\"\nprobability = 2",
                                 "[server]\ntrusted_proxies = [true]"}) {
    EXPECT_THAT(refusal(text), StartsWith("f.toml:")) << text;
  }
}

TEST(ConfigTest, ReadsAFileAndNamesOneThatIsNotThere) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "fovea.toml";
  ASSERT_TRUE(write_file(path, "[auth]\nkey_file = \"keys\"\n"));
  const auto config = read_config(path);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->auth.key_file, (folder.path() / "keys").string());
  const auto missing = read_config(folder.path() / "none.toml");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("none.toml"));
}

TEST(ConfigTest, TellsWhichChangesTakeARestart) {
  Config to;
  to.limits.max_body_bytes = 5;
  to.limits.requests_per_second = 5;
  to.server.log_level = "debug";
  to.auth.admin_token = "secret";
  EXPECT_THAT(changes_that_take_a_restart({}, to), ::testing::IsEmpty());
  to.server.port = 1;
  to.limits.max_connections = 5;
  to.engine.threads = 3;
  to.router.retries = 0;
  EXPECT_THAT(changes_that_take_a_restart({}, to),
              ElementsAre("server.port", "[limits]: timeouts, connections, buffers or queue", "[engine]",
                          "[router]"));
}

TEST(ConfigTest, TheExampleInTheRepositoryHoldsTheDefaults) {
  const auto example = read_config(test::source_folder().string() + "/docs/fovea.toml");
  ASSERT_TRUE(example) << example.error().message;
  EXPECT_EQ(example->server.port, Config{}.server.port);
  EXPECT_EQ(example->limits.max_connections, Config{}.limits.max_connections);
  EXPECT_EQ(example->router, Config{}.router);
}

}  // namespace
}  // namespace fovea::config
