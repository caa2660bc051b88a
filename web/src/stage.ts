// How large a stage of a rollout is, in words.
import { number } from "./format";
import { t } from "./i18n";
import type { Stage } from "./types";

// "3 devices", "shadow on 10%".
export function stageName(stage: Stage): string {
  const size = stage.devices
    ? t(stage.devices === 1 ? "stage.device" : "stage.devices", { n: stage.devices })
    : `${stage.percent == null ? "?" : number(stage.percent)}%`;
  return stage.shadow ? t("stage.shadow", { size }) : size;
}
