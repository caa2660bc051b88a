#include "telemetry/sensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace polder::telemetry {
namespace {

class Sensors : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("polder-sys-" + std::to_string(::getpid()));
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  std::filesystem::path root_;
};

TEST_F(Sensors, AreRead) {
  write("class/thermal/thermal_zone0/temp", "48500\n");
  write("class/thermal/thermal_zone0/type", "cpu-thermal\n");
  write("class/thermal/thermal_zone1/temp", "-273150000\n");  // a sensor that is not there
  write("class/thermal/thermal_zone2/temp", "warm\n");
  write("class/thermal/cooling_device0/temp", "1000\n");
  write("class/hwmon/hwmon0/name", "ina3221\n");
  write("class/hwmon/hwmon0/power1_input", "4250000\n");
  write("class/hwmon/hwmon0/power2_average", "1000000\n");
  const Readings readings = read_sensors(root_);
  ASSERT_EQ(readings.temperatures_c.size(), 1u);
  EXPECT_EQ(readings.temperatures_c[0].sensor, "thermal_zone0 cpu-thermal");
  EXPECT_DOUBLE_EQ(readings.temperatures_c[0].value, 48.5);
  ASSERT_EQ(readings.powers_w.size(), 2u);
  EXPECT_EQ(readings.powers_w[0].sensor, "hwmon0 ina3221 power1");
  EXPECT_DOUBLE_EQ(readings.powers_w[0].value, 4.25);
  EXPECT_DOUBLE_EQ(readings.powers_w[1].value, 1);
}

TEST_F(Sensors, NothingWhereThereIsNothing) {
  EXPECT_TRUE(read_sensors(root_).temperatures_c.empty());
  EXPECT_TRUE(read_sensors("/nowhere").powers_w.empty());
}

TEST_F(Sensors, ThereIsACap) {
  for (int i = 0; i < 50; ++i)
    write("class/thermal/thermal_zone" + std::to_string(i) + "/temp", "20000\n");
  EXPECT_EQ(read_sensors(root_).temperatures_c.size(), kMaxSensors);
}

}  // namespace
}  // namespace polder::telemetry
