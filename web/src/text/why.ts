// What a hub says of rollouts in English, with a code (src/hub/reason.h), in other languages. What
// has no code here is shown in English, as it came.
import type { Language } from "../settings";

export const sentences: Partial<Record<Language, Record<string, string>>> = {
  nl: {
    worse:
      "{measure}: {ratio} keer zo vaak als {than} ({low} tot {high}), bewijs {evidence} van {at} over alles wat wordt vergeleken",
    worse_unknown:
      "{measure}: hoe vaak, vergeleken met {than}, is nog niet bekend, bewijs {evidence} van {at} over alles wat wordt vergeleken",
    not_proven:
      "{measure}: {ratio} keer zo vaak als {than} ({low} tot {high}), bewijs dat het aanvaardbaar is {evidence} van {at}",
    not_proven_unknown:
      "{measure}: hoe vaak, vergeleken met {than}, is nog niet bekend, bewijs dat het aanvaardbaar is {evidence} van {at}",
    seen_too_little:
      "{measure}: {ratio} keer zo vaak als {than} ({low} tot {high}), en meer wordt er niet van gezien. Breek af, en begin opnieuw",
    seen_too_little_unknown:
      "{measure}: hoe vaak, vergeleken met {than}, is nog niet bekend, en meer wordt er niet van gezien. Breek af, en begin opnieuw",
    nothing_compared:
      "{measure}: er is niets vergeleken, en het apparaat handelt er al naar: andere in- of uitvoer, of geen model met die naam. Breek af, en begin opnieuw zonder deze maat",
    few_observations: "{measure}: {observations} waarnemingen van ten minste {least}",
    no_controls: "{measure}: van wat de oude release draait is nog niets geteld",
    nothing_measured: "er is nog niets gemeten",
    no_measures: "er hoeft niets te worden vergeleken: alleen harde fouten en tijd tellen",
    no_shadow:
      "geen fase met schaduwen: niets vergelijkt wat het nieuwe model antwoordt met wat het oude antwoordt",
    first_release: "een eerste release: alleen harde fouten en tijd tellen",
    too_soon: "{passed_s} van ten minste {least_s} is voorbij",
    not_before: "niet voor {time}",
    window: "wacht op het venster {window}: gaat open {time}",
    window_unknown: "wacht op het venster {window}: dicht, want deze hub kent de tijdzone niet",
    history: "kijkt eerst naar de oude release: {looks} van {least} keer",
    failed: "{device}: {failure}",
    some_failed:
      "{failed} van de {end} apparaten met een harde fout die het einde zijn: {device}: {failure}",
    trouble: "{device}: {trouble}",
    nobody_runs_it: "nog geen apparaat draait hem",
    nobody: "geen apparaat van de selectie heeft het model en kan hem draaien",
    nobody_matches: "geen apparaat dat het model heeft hoort bij de selectie",
    no_such_tag: "geen apparaat heeft het label '{tag}'",
    no_such_tag_near: "geen apparaat heeft het label '{tag}': is '{near}' bedoeld?",
    taken:
      "geweigerd tot uitrol {rollout} voorbij is, waar apparaat {device} bij hoort: breek die af, of kies andere apparaten",
    too_few: "{there} van {all} apparaten draaien hem al",
    not_there:
      "{there} van {all} apparaten zijn er: in de laatste {minutes} minuten gehoord, en gezond met de oude release",
    not_there_silent:
      "{there} van {all} apparaten zijn er: in de laatste {minutes} minuten gehoord, en gezond met de oude release; {silent} van {compared} hebben er sinds het begin geen beeld van gemeld",
    gone: "{gone} van {all} apparaten kregen hem te horen en zijn er niet, zoals {device}",
    unable: "{devices} apparaten zijn weggelaten, zoals {device}: {trouble}",
    one_unable: "1 apparaat is weggelaten, {device}: {trouble}",
    silent:
      "{silent} van {all} apparaten die hem moeten draaien melden geen beeld, zoals {device}; van die met de oude release {others} van {controls}",
    brought: "{devices} apparaten zijn weggelaten: een eerdere uitrol heeft hem er gebracht",
    one_brought: "1 apparaat is weggelaten: een eerdere uitrol heeft hem er gebracht",
    refused: "{refused} van {told} apparaten die hem te horen kregen weigerden hem: {trouble}",
    refused_mostly:
      "{refused} van {told} apparaten die hem te horen kregen weigerden hem, de meeste: {trouble}",
    refused_by_all:
      "{refused} van {told} apparaten die hem te horen kregen weigerden hem: {trouble}. Breek hem af, of laat apparaten meedoen die hem kunnen nemen",
    refused_by_all_mostly:
      "{refused} van {told} apparaten die hem te horen kregen weigerden hem, de meeste: {trouble}. Breek hem af, of laat apparaten meedoen die hem kunnen nemen",
    not_taken:
      "{late} van {told} apparaten die hem te horen kregen hebben hem al dagen niet genomen",
    not_taken_by_all:
      "{late} van {told} apparaten die hem te horen kregen hebben hem al dagen niet genomen. Breek hem af, of laat apparaten meedoen die hem kunnen nemen",
    ended:
      "{devices} apparaten konden hem niet nemen: {cause} (de release treft geen schuld; het wordt weer geprobeerd), zoals {device}",
    one_ended:
      "1 apparaat kon hem niet nemen: {cause} (de release treft geen schuld; het wordt weer geprobeerd), {device}",
    created: "begonnen voor {devices} apparaten; fase {stage} van {stages} ({size})",
    created_for_one: "begonnen voor 1 apparaat; fase {stage} van {stages} ({size})",
    stage: "fase {stage} van {stages} ({size})",
    paused: "gepauzeerd: {reason}",
    resumed: "hervat",
    aborted: "afgebroken: {reason}",
    done: "klaar",
    left_refusing: "{device}: het weigert de release, een ander neemt zijn plaats in",
    left_late:
      "{device}: het heeft de release al dagen niet genomen, een ander neemt zijn plaats in",
    left_away: "{device}: het is er niet, een ander neemt zijn plaats in",
    not_published: "{model} {version} is hier niet gepubliceerd",
    no_way_back:
      "{model} {version} is hier niet gepubliceerd: apparaten die daarnaar teruggaan krijgen niets te horen",
  },
};

// Values that are words of the hub: how a release failed on a device (failure_text in
// src/hub/gate.cpp), why one does not run it (trouble_text in src/hub/rollouts/observe.cpp), and why
// one could not take it (words_of in src/hub/rollouts/refusals.cpp).
export const words: Partial<Record<Language, Record<string, string>>> = {
  nl: {
    "the probe failed": "de proef mislukte",
    "crash loop": "stort telkens in",
    "out of memory": "te weinig geheugen",
    "rolled back by itself": "ging zelf terug",
    "its worker does not start": "zijn werker start niet",
    "a plug-in, a camera or a file that it needs is not there":
      "een plug-in, een camera of een bestand dat hij nodig heeft is er niet",
    "something that it needs cannot be read or written":
      "iets wat hij nodig heeft kan niet worden gelezen of geschreven",
    "a camera, a file or a server that it needs is away":
      "een camera, een bestand of een server die hij nodig heeft is weg",
    "there is no room for it": "er is geen ruimte voor",
    "something could not be read or written": "iets kon niet worden gelezen of geschreven",
    "something that it needs is not there": "iets wat hij nodig heeft is er niet",
    "something that it needs could not be reached": "iets wat hij nodig heeft was niet te bereiken",
    "something took too long": "iets duurde te lang",
    "what came of it was damaged": "wat ervan aankwam was beschadigd",
    "something there was not as it should be": "iets was daar niet zoals het hoort",
  },
};
