// The stages of a new rollout: as usual, or one's own, each with its rules.
import { useId } from "preact/hooks";
import { t } from "../i18n";
import type { RolloutPreview } from "../types";
import { Button, Card, Field } from "../ui/parts";
import { rulesOf, stageForm, type OrderForm, type StageForm } from "./order";
import { stageName } from "../stage";

const maxStages = 16;

export function Stages(props: {
  own: boolean;
  stages: StageForm[];
  previewed?: RolloutPreview["stages"];
  errorOf: (field: string) => string | undefined;
  onChange: (some: Partial<OrderForm>) => void;
}) {
  const { own, stages, onChange } = props;
  const error = props.errorOf("stages");
  const note = useId();
  const choose = (mine: boolean) => (
    <label class="check">
      <input
        type="radio"
        name="stages"
        checked={own === mine}
        onChange={() => onChange({ own: mine })}
      />
      {t(mine ? "order.stages.own" : "order.stages.usual")}
    </label>
  );
  return (
    <Card title={t("rollout.stages")}>
      <fieldset class="group-of" aria-describedby={note}>
        <legend class="unseen">{t("rollout.stages")}</legend>
        <div class="row">
          {choose(false)}
          {choose(true)}
        </div>
        <p id={note} class={error ? "field-error" : "hint"}>
          {error ?? t("order.stages.hint")}
        </p>
      </fieldset>
      {own ? (
        <>
          <ol class="stage-rows">
            {stages.map((stage, i) => (
              <Row
                key={i}
                number={i + 1}
                stage={stage}
                error={props.errorOf(`stages.${i}`)}
                onChange={(some) =>
                  onChange({
                    stages: stages.map((one, at) => (at === i ? { ...one, ...some } : one)),
                  })
                }
                onRemove={
                  stages.length > 1
                    ? () => onChange({ stages: stages.filter((_, at) => at !== i) })
                    : undefined
                }
              />
            ))}
          </ol>
          <Button
            class="small"
            disabled={stages.length >= maxStages}
            onClick={() =>
              // Before the last, which is of all devices.
              onChange({
                stages: [...stages.slice(0, -1), stageForm("", "percent"), ...stages.slice(-1)],
              })
            }
          >
            {t("order.stage.add")}
          </Button>
        </>
      ) : (
        <p>{props.previewed?.map(stageName).join(" · ") ?? t("order.stages.usual.text")}</p>
      )}
    </Card>
  );
}

const limits = {
  least_observations: { min: 1, max: 1e9, step: 1 },
  margin: { min: 1.1, max: 4, step: "any" },
  negligible: { min: 1e-6, max: 0.5, step: "any" },
  errors_an_hour: { min: 0.001, max: 1e6, step: "any" },
  allowed: { min: 0.001, max: 0.9, step: "any" },
  failures: { min: 1, max: 1000, step: 1 },
};

function Row(props: {
  number: number;
  stage: StageForm;
  error?: string;
  onChange: (some: Partial<StageForm>) => void;
  onRemove?: () => void;
}) {
  const { stage, number: n, onChange } = props;
  const note = `stage-${n}-note`;
  const described = props.error ? { "aria-describedby": note, "aria-invalid": true } : {};
  return (
    <li aria-label={t("order.stage.n", { n })}>
      <div class="row">
        <input
          {...described}
          class="short"
          type="number"
          required
          step="any"
          min={stage.unit === "percent" ? 0.1 : 1}
          max={stage.unit === "percent" ? 100 : 1000}
          aria-label={t("order.stage.size", { n })}
          value={stage.size}
          onInput={(event) => onChange({ size: event.currentTarget.value })}
        />
        <select
          aria-label={t("order.stage.unit", { n })}
          value={stage.unit}
          onChange={(event) =>
            onChange({ unit: event.currentTarget.value as StageForm["unit"] })
          }
        >
          <option value="devices">{t("order.stage.devices")}</option>
          <option value="percent">{t("order.stage.percent")}</option>
        </select>
        <label class="check">
          <input
            type="checkbox"
            checked={stage.shadow}
            onChange={(event) => onChange({ shadow: event.currentTarget.checked })}
          />
          {t("order.stage.shadow")}
        </label>
        <label class="check">
          {t("order.stage.least")}
          <input
            class="short"
            type="number"
            aria-label={t("order.stage.least.n", { n })}
            step="any"
            min={0}
            max={527_040}
            placeholder={stage.unit === "percent" ? "240" : "1440"}
            value={stage.least_minutes}
            onInput={(event) => onChange({ least_minutes: event.currentTarget.value })}
          />
          {t("order.stage.minutes")}
        </label>
        {props.onRemove && (
          <Button
            class="small"
            kind="quiet"
            aria-label={t("order.stage.remove.n", { n })}
            onClick={props.onRemove}
          >
            {t("order.stage.remove")}
          </Button>
        )}
      </div>
      {props.error && (
        <p id={note} class="field-error">
          {props.error}
        </p>
      )}
      <details>
        <summary>{t("order.stage.rules")}</summary>
        <div class="fields">
          {rulesOf(stage).map((rule) => (
            <Field key={rule} label={t(`rule.${rule}`)} hint={t(`rule.${rule}.hint`)}>
              {(ids) => (
                <input
                  {...ids}
                  {...limits[rule]}
                  type="number"
                  value={stage[rule]}
                  onInput={(event) => onChange({ [rule]: event.currentTarget.value })}
                />
              )}
            </Field>
          ))}
        </div>
      </details>
    </li>
  );
}
