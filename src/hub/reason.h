// Why a gate holds or ends a rollout, and what one would wait for: a sentence for people, and its
// code and values for a program that says it in words of its own, as the console does in Dutch
// (web/src/text/why.ts, which a test holds to this table).
//
//   const Reason few = say(why::kTooFew, {{"there", there}, {"all", all}});
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "trust/json.h"

namespace polder::hub {

// {name} stands for the value of that name, {name:.2f} for a number so written; {name_s} for
// seconds, as people say them: "8 h 20 min".
struct Sentence {
  std::string_view code, text;
};

struct Reason {
  std::string code;
  trust::Json::Members values;  // texts and numbers
  std::string text;
};

Reason say(const Sentence& sentence, trust::Json::Members values = {});
trust::Json::Array texts_of(std::span<const Reason> reasons);
// [{"code":"too_few","text":"1 of 4 devices run it by now","values":{"all":4,"there":1}}]
trust::Json::Array why_of(std::span<const Reason> reasons);

namespace why {

// --- Of measures
inline constexpr Sentence kWorse{
    "worse",
    "{measure}: {ratio:.2f} times as often as {than} ({low:.2f} to {high:.2f}), evidence "
    "{evidence:.3g} of {at} over all measures"};
inline constexpr Sentence kWorseUnknown{
    "worse_unknown",
    "{measure}: how often, compared with {than}, is not known yet, evidence {evidence:.3g} of {at} "
    "over all measures"};
inline constexpr Sentence kNotProven{
    "not_proven",
    "{measure}: {ratio:.2f} times as often as {than} ({low:.2f} to {high:.2f}), evidence that it "
    "is acceptable {evidence:.1f} of {at}"};
inline constexpr Sentence kNotProvenUnknown{
    "not_proven_unknown",
    "{measure}: how often, compared with {than}, is not known yet, evidence that it is acceptable "
    "{evidence:.1f} of {at}"};
inline constexpr Sentence kSeenTooLittle{
    "seen_too_little",
    "{measure}: {ratio:.2f} times as often as {than} ({low:.2f} to {high:.2f}), and no more of it "
    "will be seen. Abort it, and begin it anew"};
inline constexpr Sentence kSeenTooLittleUnknown{
    "seen_too_little_unknown",
    "{measure}: how often, compared with {than}, is not known yet, and no more of it will be seen. "
    "Abort it, and begin it anew"};
inline constexpr Sentence kNothingCompared{
    "nothing_compared",
    "{measure}: nothing was compared, and the device acts by now: other inputs or outputs, or no "
    "model of the same name. Abort it, and begin it anew without this measure"};
inline constexpr Sentence kFewObservations{
    "few_observations", "{measure}: {observations} observations of at least {least}"};
inline constexpr Sentence kNoControls{
    "no_controls", "{measure}: nothing that runs the old release has been counted yet"};
inline constexpr Sentence kNothingMeasured{"nothing_measured", "nothing is measured yet"};
inline constexpr Sentence kNoMeasures{
    "no_measures", "no measures were asked for: hard failures and time alone are looked at"};
inline constexpr Sentence kNoShadow{
    "no_shadow",
    "no stage of shadows: nothing compares what the new model answers with what the old one does"};
inline constexpr Sentence kFirstRelease{
    "first_release", "a first release: hard failures and time alone are looked at"};

// --- Of time
inline constexpr Sentence kTooSoon{"too_soon", "{passed_s} of at least {least_s} have passed"};
inline constexpr Sentence kNotBefore{"not_before", "not before {time}"};
inline constexpr Sentence kWindow{"window", "waits for the window {window}: opens at {time}"};
inline constexpr Sentence kWindowUnknown{
    "window_unknown",
    "waits for the window {window}: it is closed, as this hub does not know the time zone"};
inline constexpr Sentence kHistory{"history",
                                   "watches the old release first: {looks} of {least} looks"};

// --- Of devices
inline constexpr Sentence kFailed{"failed", "{device}: {failure}"};
inline constexpr Sentence kSomeFailed{
    "some_failed",
    "{failed} of the {end} devices with a hard failure that are the end: {device}: {failure}"};
inline constexpr Sentence kTrouble{"trouble", "{device}: {trouble}"};
inline constexpr Sentence kNobodyRunsIt{"nobody_runs_it", "no device runs it yet"};
inline constexpr Sentence kNobody{"nobody", "no device of the query has the model and can run it"};
inline constexpr Sentence kNobodyMatches{"nobody_matches",
                                         "no device that has the model is of the query"};
inline constexpr Sentence kNoSuchTag{"no_such_tag", "no device has the tag '{tag}'"};
inline constexpr Sentence kNoSuchTagNear{"no_such_tag_near",
                                         "no device has the tag '{tag}': is '{near}' meant?"};
inline constexpr Sentence kTaken{"taken",
                                 "refused until rollout {rollout} is over, of which device "
                                 "{device} is part: abort that, or name other devices"};
inline constexpr Sentence kTooFew{"too_few", "{there} of {all} devices run it by now"};
inline constexpr Sentence kNotThere{
    "not_there",
    "{there} of {all} devices are there: checked in within {minutes} minutes, and running the old "
    "release well"};
inline constexpr Sentence kNotThereSilent{
    "not_there_silent",
    "{there} of {all} devices are there: checked in within {minutes} minutes, and running the old "
    "release well; {silent} of {compared} have told of no frame of it since this began"};
inline constexpr Sentence kSilent{"silent",
                                  "{silent} of {all} devices that were told to run it tell of no "
                                  "frame, such as {device}; of those "
                                  "with the old release {others} of {controls}"};
inline constexpr Sentence kGone{
    "gone", "{gone} of {all} devices were told of it and are not there, such as {device}"};
inline constexpr Sentence kUnable{"unable",
                                  "{devices} devices are left out, such as {device}: {trouble}"};
inline constexpr Sentence kOneUnable{"one_unable", "1 device is left out, {device}: {trouble}"};
inline constexpr Sentence kBrought{
    "brought", "{devices} devices are left out: an earlier rollout has brought it to them"};
inline constexpr Sentence kOneBrought{
    "one_brought", "1 device is left out: an earlier rollout has brought it to it"};
inline constexpr Sentence kRefused{
    "refused", "{refused} of {told} devices that were told refused it: {trouble}"};
inline constexpr Sentence kRefusedMostly{
    "refused_mostly",
    "{refused} of {told} devices that were told refused it, most of them: {trouble}"};
inline constexpr Sentence kRefusedByAll{
    "refused_by_all",
    "{refused} of {told} devices that were told refused it: {trouble}. Abort it, or let devices "
    "join that can take it"};
inline constexpr Sentence kRefusedByAllMostly{
    "refused_by_all_mostly",
    "{refused} of {told} devices that were told refused it, most of them: {trouble}. Abort it, or "
    "let devices join that can take it"};
inline constexpr Sentence kNotTaken{
    "not_taken", "{late} of {told} devices that were told have not taken it for days"};
inline constexpr Sentence kNotTakenByAll{
    "not_taken_by_all",
    "{late} of {told} devices that were told have not taken it for days. Abort it, or let devices "
    "join that can take it"};
inline constexpr Sentence kEnded{
    "ended",
    "{devices} devices could not take it: {cause} (no fault of the release; tried again), such as "
    "{device}"};
inline constexpr Sentence kOneEnded{
    "one_ended",
    "1 device could not take it: {cause} (no fault of the release; tried again), {device}"};

// --- What became of it
inline constexpr Sentence kCreated{"created",
                                   "created for {devices} devices; stage {stage} of {stages} "
                                   "({size})"};
inline constexpr Sentence kCreatedForOne{
    "created_for_one", "created for 1 device; stage {stage} of {stages} ({size})"};
inline constexpr Sentence kStage{"stage", "stage {stage} of {stages} ({size})"};
inline constexpr Sentence kPaused{"paused", "paused: {reason}"};
inline constexpr Sentence kResumed{"resumed", "resumed"};
inline constexpr Sentence kAborted{"aborted", "aborted: {reason}"};
inline constexpr Sentence kDone{"done", "done"};
inline constexpr Sentence kLeftRefusing{
    "left_refusing", "{device}: it refuses the release, another takes its place"};
inline constexpr Sentence kLeftLate{
    "left_late", "{device}: it has not taken the release for days, another takes its place"};
inline constexpr Sentence kLeftAway{"left_away",
                                    "{device}: it is not there, another takes its place"};

// --- Of releases
inline constexpr Sentence kNotPublished{"not_published", "{model} {version} is not published here"};
inline constexpr Sentence kNoWayBack{
    "no_way_back",
    "{model} {version} is not published here: devices that go back to it are not told"};

}  // namespace why
}  // namespace polder::hub
