#include "doctor/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/temporary_folder.h"

namespace fovea::doctor {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A machine made of the files that describe one.
class DoctorTest : public testing::Test {
 protected:
  DoctorTest() {
    file("proc/cpuinfo", "processor\t: 0\nmodel name\t: Test 9000\nflags\t\t: sse2 avx2 fma avx512_vnni\n");
    file("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable:    4194304 kB\n");
    file("proc/self/cgroup", "0::/box/inner\n");
    file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  }
  void file(const std::string& path, const std::string& text) const {
    fs::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << text;
  }
  [[nodiscard]] Examination look() const {
    Options options;
    options.model = "no-such-model";
    options.measure = false;
    options.root = folder_.path();
    return examine(options);
  }
  static Finding find(const Examination& examination, const std::string& name) {
    const auto found = std::ranges::find(examination.findings, name, &Finding::name);
    return found == examination.findings.end() ? Finding{"", "absent", ""} : *found;
  }

  test::TemporaryFolder folder_;
};

TEST_F(DoctorTest, NamesTheProcessorItsInstructionsAndTheKernels) {
  const auto examination = look();
  EXPECT_THAT(find(examination, "processor").value, HasSubstr("Test 9000"));
  EXPECT_EQ(find(examination, "instructions").value, "avx2 fma avx512_vnni");
  EXPECT_TRUE(find(examination, "kernels").good());
  EXPECT_EQ(examination.isa, examination.sets.back());
  EXPECT_EQ(examination.sets.front(), "portable");
  EXPECT_FALSE(examination.peaks);
}

TEST_F(DoctorTest, AMachineWithoutLimitsIsGood) {
  const auto examination = look();
  for (const char* name : {"memory", "memory limit", "processor limit", "huge pages"}) {
    EXPECT_TRUE(find(examination, name).good()) << name;
  }
  EXPECT_EQ(find(examination, "memory").value, "4096 MiB available");
}

TEST_F(DoctorTest, TheTightestLimitOfTheControlGroupsCounts) {
  file("sys/fs/cgroup/box/cpu.max", "50000 100000\n");
  file("sys/fs/cgroup/box/inner/cpu.max", "max 100000\n");
  file("sys/fs/cgroup/box/inner/memory.max", "536870912\n");
  file("sys/fs/cgroup/box/memory.max", "max\n");
  const auto examination = look();
  EXPECT_THAT(find(examination, "processor limit").value, HasSubstr("0.5 of"));
  EXPECT_THAT(find(examination, "processor limit").advice, HasSubstr("--threads 1"));
  EXPECT_EQ(find(examination, "memory limit").value, "512 MiB");
  EXPECT_FALSE(find(examination, "memory limit").good());
}

TEST_F(DoctorTest, SaysHowHugePagesAreAllowed) {
  file("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  EXPECT_THAT(find(look(), "huge pages").advice, HasSubstr("madvise"));
}

TEST_F(DoctorTest, AMissingModelIsAWarningThatSaysWhereItWasLookedFor) {
  const auto examination = look();
  EXPECT_FALSE(examination.good());
  EXPECT_THAT(find(examination, "model").advice, HasSubstr("no-such-model"));
}

TEST_F(DoctorTest, EveryLineOfTheTableSaysGoodOrWarning) {
  const auto examination = look();
  const std::string table = to_table(examination);
  const auto count = [&](const std::string& word) {
    std::size_t found = 0;
    for (std::size_t at = table.find(word); at != std::string::npos; at = table.find(word, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("\ngood ") + count("\nwarning ") + 1, examination.findings.size());
}

TEST_F(DoctorTest, JsonHasAnAdviceForEveryWarning) {
  for (const auto& finding : to_json(look())["findings"]) {
    EXPECT_EQ(finding["good"].get<bool>(), finding["advice"].is_null());
  }
}

}  // namespace
}  // namespace fovea::doctor
