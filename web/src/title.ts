// What an approval is for, in the language that was chosen.
import { language } from "./settings";
import { titles } from "./text/titles";

// Stand for names while words are looked for: the hub's titles have no control characters.
const ownMark = "\u0001";
const markOf = (i: number) => `\u0000${i}\u0000`;

// Of what the hub says in English; a part that has no words here stays as it is.
export function titleIn(title: string): string {
  const words = titles[language.get()];
  if (!words) return title;
  // Names that people chose stand in quotation marks, and are no words.
  const names: string[] = [];
  const text = title
    .replaceAll("the hub's own", ownMark)
    .replace(/'[^']*'/g, (name) => markOf(names.push(name) - 1));
  const listOf = (text: string, to = "to") =>
    words.lists
      .reduce((all, [of, is]) => all.replace(of, is), text)
      .replaceAll(" to ", ` ${to} `);
  const phraseOf = (text: string) => {
    const phrase = words.parts.find(({ of }) => of.test(text));
    if (!phrase) return text;
    const found = phrase.of.exec(text)!;
    return phrase.is.replace(/\$(\d)/g, (_, i: string) => listOf(found[Number(i)]!, phrase.to));
  };
  const partOf = (text: string) =>
    text.split(/, and (?=lets role |\d+ keys? must sign )/).map(phraseOf).join(words.joined);
  return text
    .split("; ")
    .map(partOf)
    .join("; ")
    .replaceAll(ownMark, words.own)
    .replace(/\u0000(\d+)\u0000/g, (_, i: string) => names[Number(i)]!);
}
