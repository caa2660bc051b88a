// Letting a device in: a token, shown once, and what the device needs beside it.
import { useState } from "preact/hooks";
import { ask } from "../api";
import { useAct } from "../data";
import { dateTime } from "../format";
import { t } from "../i18n";
import type { EnrolmentToken } from "../types";
import { Button, Card, Code, Field, Notice, Page, ProblemNotice } from "../ui/parts";

const validities = [
  ["enrolment.hour", 3_600],
  ["enrolment.day", 86_400],
  ["enrolment.week", 7 * 86_400],
  ["enrolment.month", 30 * 86_400],
] as const;

export function tomlOf(hub: string): string {
  return `[hub]
url = "${hub}"
token_file = "/etc/polderd/enrol.token"
ca_file = "/etc/polderd/hub-ca.pem"
`;
}

export function Enrolment() {
  const [device, setDevice] = useState("");
  const [valid, setValid] = useState(86_400);
  const [made, setMade] = useState<EnrolmentToken | null>(null);
  const { busy, problem, act } = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    void act(async () => {
      const name = device.trim();
      setMade(null);
      setMade(
        await ask<EnrolmentToken>("POST", "/v1/enrolment-tokens", {
          valid_s: valid,
          ...(name ? { device: name } : {}),
        }),
      );
    });
  };
  return (
    <Page title={t("enrolment.title")}>
      <p class="intro">{t("enrolment.intro")}</p>
      <Card>
        <form class="inline" onSubmit={submit}>
          <Field label={t("enrolment.device")} hint={t("enrolment.device.hint")}>
            {(ids) => (
              <input
                {...ids}
                value={device}
                onInput={(event) => setDevice(event.currentTarget.value)}
                maxLength={64}
                spellcheck={false}
              />
            )}
          </Field>
          <Field label={t("enrolment.valid")}>
            {(ids) => (
              <select
                {...ids}
                value={String(valid)}
                onChange={(event) => setValid(Number(event.currentTarget.value))}
              >
                {validities.map(([name, seconds]) => (
                  <option key={name} value={String(seconds)}>
                    {t(name)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Button type="submit" kind="main" needs="admin" disabled={busy}>
            {t("enrolment.submit")}
          </Button>
        </form>
        <ProblemNotice problem={problem} />
      </Card>
      {made && (
        <Card title={t("enrolment.made")}>
          <Notice tone="warn">
            {t("enrolment.once", { time: dateTime(made.expires) })}{" "}
            {made.device && t("enrolment.only", { device: made.device })}
          </Notice>
          <ol class="steps">
            <li>
              <p>{t("enrolment.step.token")}</p>
              <Code text={made.token} label={t("enrolment.made")} />
            </li>
            <li>
              <p>{t("enrolment.step.ca")}</p>
            </li>
            <li>
              <p>{t("enrolment.step.toml")}</p>
              <Code text={tomlOf(location.origin)} label="polderd.toml" />
            </li>
          </ol>
        </Card>
      )}
    </Page>
  );
}
