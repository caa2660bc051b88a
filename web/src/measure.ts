// What a rollout measures, in words.
import { t, word } from "./i18n";

// "slow frames"; of two releases side by side "slow frames of 1.3.0".
export function measureName(name: string): string {
  const found = /^(.+) of (\S+)$/.exec(name);
  if (!found) return word("measure", name);
  return t("measure.of", { measure: word("measure", found[1]!), version: found[2]! });
}
