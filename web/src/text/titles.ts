// What an approval is for, which the hub says in English (src/hub/repository/title.cpp), in other
// languages: each part by its pattern. $1 and so on stand for what a pattern finds, which the
// patterns of `lists` are put to; `to` is the word of its "to".
import type { Language } from "../settings";

export interface Phrase {
  of: RegExp;
  is: string;
  to?: string;
}

export interface Titles {
  parts: Phrase[];
  lists: [RegExp, string][];
  own: string; // "the hub's own"
  joined: string; // of two phrases of one part
}

export const titles: Partial<Record<Language, Titles>> = {
  nl: {
    parts: [
      { of: /^makes (\S+) (\S+) the (\S+)$/, is: "maakt $1 $2 de $3" },
      { of: /^begins the repository$/, is: "begint de repository" },
      { of: /^lets the hub assign releases$/, is: "laat de hub releases toewijzen" },
      {
        of: /^trusts role (.+) for (.+), by key (.+)$/,
        is: "vertrouwt rol $1 voor $2, met sleutel $3",
      },
      { of: /^trusts role (.+) no more$/, is: "vertrouwt rol $1 niet meer" },
      { of: /^replaces key (.+) of (.+) by (.+)$/, is: "vervangt sleutel $1 van $2 door $3" },
      {
        of: /^replaces the online key (.+) of (.+) by (.+)$/,
        is: "vervangt de online sleutel $1 van $2 door $3",
      },
      {
        of: /^trusts key (.+) no more to sign (.+)$/,
        is: "vertrouwt sleutel $1 niet meer om $2 te ondertekenen",
      },
      {
        of: /^trusts the online key (.+) no more to sign (.+)$/,
        is: "vertrouwt de online sleutel $1 niet meer om $2 te ondertekenen",
      },
      { of: /^trusts key (.+) to sign (.+)$/, is: "vertrouwt sleutel $1 om $2 te ondertekenen" },
      {
        of: /^trusts the online key (.+) to sign (.+)$/,
        is: "vertrouwt de online sleutel $1 om $2 te ondertekenen",
      },
      {
        of: /^lets role (.+) sign (.+) in place of (.+)$/,
        is: "laat rol $1 $2 ondertekenen in plaats van $3",
      },
      {
        of: /^1 key must sign (.+), in place of (\d+)$/,
        is: "er is 1 sleutel nodig voor $1, in plaats van $2",
      },
      {
        of: /^(\d+) keys must sign (.+), in place of (\d+)$/,
        is: "er zijn $1 sleutels nodig voor $2, in plaats van $3",
      },
      { of: /^(\d+) keys must sign (.+)$/, is: "er zijn $1 sleutels nodig voor $2" },
      { of: /^withdraws (.+)$/, is: "trekt $1 in" },
      { of: /^raises the floor of (.+)$/, is: "verhoogt de ondergrens van $1", to: "naar" },
      { of: /^raises the floors of (.+)$/, is: "verhoogt de ondergrenzen van $1", to: "naar" },
      { of: /^assigns (.+)$/, is: "wijst toe: $1", to: "aan" },
      { of: /^adds (.+)$/, is: "voegt $1 toe" },
      { of: /^moves to another role (.+)$/, is: "verplaatst naar een andere rol: $1" },
      { of: /^replaces (.+)$/, is: "vervangt $1" },
      { of: /^removes (.+)$/, is: "verwijdert $1" },
      { of: /^renews (.+) until (\S+)$/, is: "verlengt $1 tot $2" },
      { of: /^signs hash bins anew$/, is: "ondertekent de hashbakken opnieuw" },
      { of: /^and 1 more change$/, is: "en nog 1 wijziging" },
      { of: /^and (\d+) more changes$/, is: "en nog $1 wijzigingen" },
    ],
    lists: [
      [/ and (\d+) more$/, " en nog $1"],
      [/ and /g, " en "],
      [/nothing of its own to /g, "niets eigens aan "],
      [/nothing to /g, "niets aan "],
      [/every other device/g, "elk ander apparaat"],
      [/ for (\d+) platforms/g, " voor $1 platforms"],
      [/ for /g, " voor "],
    ],
    own: "die van de hub zelf",
    joined: ", en ",
  },
};
