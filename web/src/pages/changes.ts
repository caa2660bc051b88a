// What a publication changes, in the words of 'polder hub approvals ID'.
import { t } from "../i18n";
import type { Changes, PublicationDetails } from "../types";

const maxTargets = 100; // shown; those with a problem always
const maxFiles = 12; // hash bins come by the hundred

// "voice/1.1.0/manifest.json": null where it is of no release.
export function releaseOf(target: string): { model: string; version: string } | null {
  const parts = target.split("/");
  if (parts.length < 3 || parts.at(-1) !== "manifest.json") return null;
  return { model: parts.slice(0, -2).join("/"), version: parts.at(-2)! };
}

// What is shown of a list, and how many there are where that is not all.
export interface Some<T> {
  shown: T[];
  all: number;
}

export function shownTargets(changes: Changes): Some<Changes["targets"][number]> {
  const { targets } = changes;
  return {
    shown: targets.filter((one, i) => i < maxTargets || one.problem),
    all: targets.length,
  };
}

export function shownFiles(changes: Changes): Some<Changes["files"][number]> {
  return { shown: changes.files.slice(0, maxFiles), all: changes.files.length };
}

export function thresholdText(change: Changes["trust"][number]): string {
  const { threshold: n, threshold_before: before } = change;
  if (before === 0) return t("changes.trust.new", { n });
  if (n === 0) return t("changes.trust.none");
  return n === before ? t("changes.trust.same", { n }) : t("changes.trust.other", { n, before });
}

// Of keys and of paths: what goes, then what comes.
export function pathsOf(change: Changes["trust"][number]): { sign: "+" | "−"; path: string }[] {
  if (JSON.stringify(change.paths) === JSON.stringify(change.paths_before)) return [];
  return [
    ...change.paths_before.map((path) => ({ sign: "−" as const, path })),
    ...change.paths.map((path) => ({ sign: "+" as const, path })),
  ];
}

// Hash bins are signed by whoever signs for their role.
export function signersOf(details: PublicationDetails): { role: string; keys: string[] }[] {
  const roles = new Map<string, string[]>();
  for (const { role, key } of details.signatures) {
    if (role.includes(".bin-")) continue;
    roles.set(role, [...(roles.get(role) ?? []), key]);
  }
  return [...roles].map(([role, keys]) => ({ role, keys }));
}

export function isSignedAnew(changes: Changes): boolean {
  return (
    changes.files.length > 0 &&
    [changes.trust, changes.targets, changes.other].every((one) => one.length === 0)
  );
}
