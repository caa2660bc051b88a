// Windows of rollouts: days, zones and summer time, and what they are refused for.
#include "hub/rollouts/window.h"

#include <date/tz.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

std::int64_t at(const std::string& time) { return *trust::tuf::parse_time(time, "test"); }

Result<DayWindow> read(const std::string& json) {
  const trust::Json parsed = *trust::Json::parse(json, "test");
  auto window = read_window(*trust::Object::of(parsed, "window"));
  if (!window.ok()) return window;
  const Status zone = window->zone.check("window.zone");
  if (!zone.ok()) return zone.error();
  return window;
}

DayWindow window_of(const std::string& json) {
  const auto window = read(json);
  EXPECT_TRUE(window.ok()) << window.error().message;
  return window.ok() ? *window : DayWindow();
}

std::string opens(const DayWindow& window, const std::string& now) {
  return trust::tuf::time_text(window.opens_s(at(now)).value());
}

const char* const kNight = R"({"days":["mon","tue","wed","thu","fri"],"from":"01:00","to":"05:00",)"
                           R"("zone":"Europe/Amsterdam"})";

TEST(Window, IsByTheClocksOfItsZone) {
  const DayWindow night = window_of(kNight);
  EXPECT_EQ(night.text(), "Mon-Fri 01:00-05:00 Europe/Amsterdam");
  // A Friday in winter, and one in summer.
  for (const auto& [open, closed] : {std::pair("2030-01-11T00:00:00Z", "2030-01-11T04:00:00Z"),
                                     std::pair("2030-07-11T23:00:00Z", "2030-07-12T03:00:00Z")}) {
    EXPECT_TRUE(night.holds(at(open)));
    EXPECT_FALSE(night.holds(at(open) - 1));
    EXPECT_TRUE(night.holds(at(closed) - 1));
    EXPECT_FALSE(night.holds(at(closed)));
  }
  // From its end on Friday to Monday: in the night to 2030-03-31 clocks are put forward.
  EXPECT_EQ(opens(night, "2030-03-29T04:00:00Z"), "2030-03-31T23:00:00Z");
  EXPECT_EQ(opens(night, "2030-03-28T00:30:00Z"), "2030-03-28T00:30:00Z") << "it is open";
}

TEST(Window, OfBeforeIsOfEachDayInUtc) {
  const DayWindow window = window_of(R"({"from":"22:30","to":"04:00"})");
  EXPECT_EQ(window.text(), "22:30-04:00 UTC");
  EXPECT_EQ(json_of(window).compact(), R"({"from":"22:30","to":"04:00"})");
  EXPECT_TRUE(window.holds(at("2030-03-17T22:30:00Z")));
  EXPECT_TRUE(window.holds(at("2030-03-18T03:59:59Z")));
  EXPECT_FALSE(window.holds(at("2030-03-18T04:00:00Z")));
  EXPECT_EQ(opens(window, "2030-03-18T04:00:00Z"), "2030-03-18T22:30:00Z");
}

TEST(Window, OverMidnightIsOfTheDayOnWhichItBegins) {
  const DayWindow window =
      window_of(R"({"days":["sun"],"from":"22:00","to":"06:00","zone":"Europe/Amsterdam"})");
  EXPECT_TRUE(window.holds(at("2030-01-13T21:00:00Z")));   // Sunday
  EXPECT_TRUE(window.holds(at("2030-01-14T04:59:00Z")));   // Monday, also over the week's end
  EXPECT_FALSE(window.holds(at("2030-01-13T02:00:00Z")));  // of the night from Saturday
  EXPECT_EQ(opens(window, "2030-01-14T05:00:00Z"), "2030-01-20T21:00:00Z");
}

TEST(Window, InAnHourThatIsSkippedDoesNotOpenThatNight) {
  const DayWindow window = window_of(R"({"from":"02:15","to":"02:45","zone":"Europe/Amsterdam"})");
  EXPECT_EQ(opens(window, "2030-03-30T12:00:00Z"), "2030-04-01T00:15:00Z");
  // What begins in it opens with the first hour that is shown.
  const DayWindow longer = window_of(R"({"from":"02:15","to":"04:00","zone":"Europe/Amsterdam"})");
  EXPECT_EQ(opens(longer, "2030-03-30T12:00:00Z"), "2030-03-31T01:00:00Z");
}

TEST(Window, InAnHourThatIsShownTwiceIsOpenTwice) {
  const DayWindow window = window_of(R"({"from":"02:15","to":"02:45","zone":"Europe/Amsterdam"})");
  EXPECT_EQ(opens(window, "2030-10-26T12:00:00Z"), "2030-10-27T00:15:00Z");
  EXPECT_EQ(opens(window, "2030-10-27T00:45:00Z"), "2030-10-27T01:15:00Z");
  EXPECT_EQ(opens(window, "2030-10-27T01:45:00Z"), "2030-10-28T01:15:00Z");
}

TEST(Window, SaysItsDaysAsTheyFollow) {
  const std::pair<const char*, const char*> kTexts[] = {
      {R"("mon","tue","wed","thu","fri","sat","sun")", "00:00-24:00 UTC"},
      {R"("fri","sat","sun","mon")", "Fri-Mon 00:00-24:00 UTC"},
      {R"("sat","sun")", "Sat,Sun 00:00-24:00 UTC"},
      {R"("sun","wed","mon")", "Wed,Sun,Mon 00:00-24:00 UTC"},
      {R"("tue")", "Tue 00:00-24:00 UTC"}};
  for (const auto& [days, text] : kTexts) {
    const DayWindow window =
        window_of(R"({"days":[)" + std::string(days) + R"(],"from":"00:00","to":"24:00"})");
    EXPECT_EQ(window.text(), text);
    EXPECT_EQ(window_of(json_of(window).compact()).days, window.days);
  }
}

TEST(Window, TellsWhenItOpens) {
  const DayWindow night = window_of(kNight);
  EXPECT_EQ(shown(night, at("2030-01-11T04:00:00Z")).compact(),
            R"({"days":["mon","tue","wed","thu","fri"],"from":"01:00","open":false,"opens":)"
            R"("2030-01-14T00:00:00Z","text":"Mon-Fri 01:00-05:00 Europe/Amsterdam",)"
            R"("to":"05:00","zone":"Europe/Amsterdam"})");
  EXPECT_TRUE(shown(night, at("2030-01-11T00:00:00Z")).find("opens")->is_null());
}

TEST(Window, IsRefusedWithWhatWasMeant) {
  const std::pair<const char*, const char*> kWrong[] = {
      {R"("zone":"Europe/Amsterdm")",
       "window.zone: there is no time zone 'Europe/Amsterdm'; did "
       "you mean 'Europe/Amsterdam'?"},
      {R"("zone":"amsterdam")", "did you mean 'Europe/Amsterdam'?"},
      {R"("zone":"new york")", "did you mean 'America/New_York'?"},
      {R"("zone":"utc")", "did you mean 'UTC'?"},
      {R"("zone":"Parijs")", "did you mean 'Europe/Paris'?"},
      {R"("zone":"../../etc/passwd")", "there is no time zone"},
      {R"("zone":"localtime")", "there is no time zone 'localtime'"},
      {R"("zone":"")", "there is no time zone ''"},
      {R"("days":["mond"])", "window.days: 'mond' is none of: mon, tue"},
      {R"("days":["mon","mon"])", "window.days: 'mon' is there twice"},
      {R"("days":[])", "window.days: it is empty"}};
  for (const auto& [member, told] : kWrong) {
    const auto window = read(R"({"from":"01:00","to":"05:00",)" + std::string(member) + "}");
    ASSERT_FALSE(window.ok()) << member;
    EXPECT_NE(window.error().message.find(told), std::string::npos) << window.error().message;
  }
  EXPECT_FALSE(read(R"({"from":"24:00","to":"05:00"})").ok());
  EXPECT_FALSE(read(R"({"from":"05:00","to":"24:01"})").ok());
  EXPECT_FALSE(read(R"({"from":"05:00","to":"05:00"})").ok());
}

// Tables that end in 2007, as some systems have them, would be wrong by an hour each summer.
TEST(Zones, AreOfTablesThatReachFarEnough) {
  const Zone zone("Europe/Amsterdam");
  ASSERT_TRUE(zone.is_known()) << zone.check("test").error().message;
  EXPECT_EQ(zone.span_at(at("2036-07-01T00:00:00Z")).offset_s, 7200);
}

TEST(Zones, WhereThereAreNoneTheHubLacksThem) {
  const Error error = unknown_zone("Europe/Amsterdam", "body.window.zone", {});
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_EQ(error.message,
            "body.window.zone: this hub has no time zones (its tzdata is empty): install the "
            "package tzdata there and restart the hub; UTC needs none");
}

TEST(Zones, KeepANameThatIsNotKnown) {
  DayWindow window{.zone = Zone("Europe/Nowhere")};
  EXPECT_EQ(window.zone.check("test").error().code, Code::kInvalid);
  EXPECT_EQ(window.text(), "00:00-24:00 Europe/Nowhere");
  EXPECT_FALSE(window.holds(0));
  EXPECT_FALSE(window.opens_s(0));
  EXPECT_EQ(json_of(window).compact(), R"({"from":"00:00","to":"24:00","zone":"Europe/Nowhere"})");
}

// What a clock on a wall there shows, by the library's own calendar.
bool is_open(const DayWindow& window, std::int64_t now_s) {
  const auto local =
      date::make_zoned(window.zone.name(), date::sys_seconds(std::chrono::seconds(now_s)))
          .get_local_time();
  const auto day = date::floor<date::days>(local);
  const auto minute = int(date::floor<std::chrono::minutes>(local - day).count());
  const auto is_of = [&](date::local_days some) {
    return (window.days >> (date::weekday(some).iso_encoding() - 1) & 1) != 0;
  };
  if (window.from_min < window.to_min)
    return is_of(day) && minute >= window.from_min && minute < window.to_min;
  return minute >= window.from_min ? is_of(day)
                                   : minute < window.to_min && is_of(day - date::days(1));
}

TEST(Window, IsWhatAWalkFromMinuteToMinuteFinds) {
  // Half an hour of summer time, clocks that change at midnight, winter time in Ramadan.
  constexpr std::array kZones = {"Europe/Amsterdam",  "America/New_York",  "Australia/Lord_Howe",
                                 "America/Santiago",  "Africa/Casablanca", "Asia/Kolkata",
                                 "America/Sao_Paulo", "Pacific/Apia",      "UTC"};
  std::mt19937 random(1);
  const auto below = [&](std::int64_t n) {
    return std::int64_t(std::uniform_int_distribution<std::int64_t>(0, n - 1)(random));
  };
  for (int i = 0; i < 1'000; ++i) {
    DayWindow window{.days = unsigned(1 + below(kEachDay)),
                     .from_min = int(below(1440)),
                     .to_min = int(1 + below(1440)),
                     .zone = Zone(kZones.at(std::size_t(below(kZones.size()))))};
    if (window.to_min == window.from_min) continue;
    std::int64_t now_s = at("2008-01-01T00:00:00Z") + below(28LL * 366 * 86'400);
    // Every other time about when clocks change.
    if (const std::int64_t change_s = window.zone.span_at(now_s).until_s;
        i % 2 == 0 && change_s < at("2037-01-01T00:00:00Z"))
      now_s = change_s - 86'400 + below(2 * 86'400LL);
    const std::string which =
        window.text() + " at " + trust::tuf::time_text(now_s) + ", case " + std::to_string(i);
    EXPECT_EQ(window.holds(now_s), is_open(window, now_s)) << which;
    std::int64_t opens_s = now_s;
    while (!is_open(window, opens_s)) opens_s = opens_s / 60 * 60 + 60;
    ASSERT_EQ(trust::tuf::time_text(window.opens_s(now_s).value()), trust::tuf::time_text(opens_s))
        << which;
  }
}

}  // namespace
}  // namespace polder::hub
