// Reading what a page shows, again and again while somebody looks.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ask, Problem } from "./api";

export interface Loaded<T> {
  data?: T;
  problem?: Problem; // beside data: of the last try, what is shown is older
  again: () => void;
}

// path: null asks for nothing. everyMs: 0 asks once. read: the same one each time.
export function useData<T>(
  path: string | null,
  everyMs = 0,
  read: (path: string) => Promise<T> = (path) => ask<T>("GET", path),
): Loaded<T> {
  const [state, setState] = useState<{ path: string | null; data?: T; problem?: Problem }>({
    path,
  });
  const [turn, setTurn] = useState(0);
  const missing = useRef(false);

  useEffect(() => {
    if (path === null) return;
    let live = true;
    missing.current = false;
    const look = async () => {
      try {
        const data = await read(path);
        if (live) setState({ path, data });
      } catch (error) {
        const problem = error as Problem;
        missing.current = problem.missing !== "";
        if (live)
          setState((last) => ({
            path,
            data: last.path === path && problem.status !== 404 ? last.data : undefined,
            problem,
          }));
      }
    };
    void look();
    const timer = everyMs
      ? setInterval(() => {
          if (document.visibilityState === "visible" && !missing.current) void look();
        }, everyMs)
      : 0;
    return () => {
      live = false;
      clearInterval(timer);
    };
  }, [path, everyMs, turn]);

  const again = useCallback(() => setTurn((n) => n + 1), []);
  const current = state.path === path ? state : { data: undefined, problem: undefined };
  return { data: current.data, problem: current.problem, again };
}

// What a person does: one at a time, and what came of it.
export function useAct(): {
  busy: boolean;
  problem: Problem | null;
  act: (what: () => Promise<void>) => Promise<boolean>;
} {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const act = async (what: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await what();
      return true;
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, "invalid", String(error)));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, act };
}
