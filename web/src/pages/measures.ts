// What the gate of a rollout knows of a measure (src/hub/judgement.h).
import type { Measure } from "../types";

// Between these a ratio is known; bounds at both leave all open.
export const leastRatio = 0.2019;
export const mostRatio = 4.953;

// Whether anything is known of the ratio: of what nobody has counted, or hardly ever happens, there
// is not.
export function isKnown(one: Measure): boolean {
  if (!one.canary_trials || !one.control_trials) return false;
  return one.low > 1.01 * leastRatio || one.high < 0.99 * mostRatio;
}
