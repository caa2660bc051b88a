// Sign in with a token.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, Problem } from "../api";
import { Choices } from "../app";
import { useAct } from "../data";
import { t } from "../i18n";
import { signIn } from "../session";
import type { Me } from "../types";
import { Mark } from "../ui/icons";
import { arrive, Button, Field, Notice, ProblemNotice } from "../ui/parts";

export function SignIn(props: { why: string }) {
  const [token, setToken] = useState("");
  const [shown, setShown] = useState(false);
  const [error, setError] = useState("");
  const { busy, problem, act } = useAct();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = `${t("signin.title")} · Polder`;
    input.current?.focus();
    arrive();
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    setError("");
    const text = token.trim();
    if (!/^polder-person-[A-Za-z0-9_-]+$/.test(text)) {
      setError(t("signin.empty"));
      input.current?.focus();
      return;
    }
    await act(async () => {
      try {
        const me = await ask<Me>("GET", "/v1/me", undefined, text);
        signIn({ token: text, name: me.name, role: me.role });
      } catch (caught) {
        if (!(caught instanceof Problem) || caught.status !== 401) throw caught;
        setError(t("signin.wrong"));
        input.current?.focus();
      }
    });
  };

  return (
    <main class="sign-in">
      <form class="card" onSubmit={submit} noValidate>
        <div class="brand">
          <Mark />
          {t("app.name")}
        </div>
        <h1>{t("signin.title")}</h1>
        <p class="quiet">{t("signin.intro")}</p>
        {props.why && <Notice tone="warn">{t("signin.ended", { why: props.why })}</Notice>}
        <Field label={t("signin.token")} error={error}>
          {(ids) => (
            <input
              {...ids}
              ref={input}
              type={shown ? "text" : "password"}
              value={token}
              onInput={(event) => setToken(event.currentTarget.value)}
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              required
            />
          )}
        </Field>
        <label class="check">
          <input
            type="checkbox"
            checked={shown}
            onChange={(event) => setShown(event.currentTarget.checked)}
          />
          {t("signin.show")}
        </label>
        <ProblemNotice problem={problem} />
        <Button type="submit" kind="main" disabled={busy}>
          {busy ? t("signin.busy") : t("signin.submit")}
        </Button>
        <p class="hint">{t("signin.help")}</p>
        <Choices />
      </form>
    </main>
  );
}
