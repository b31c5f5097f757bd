import { useEffect, useState } from "react";
import { asProblem, type Problem } from "../api/problem";
import { useApp } from "./app";

export type Loaded<T> = { at: "loading" } | { at: "ready"; value: T } | { at: "failed"; problem: Problem };

/** What `load` gives, asked for anew when `key` or the token changes. */
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const { tokenEpoch, askForToken } = useApp();
  const [answer, setAnswer] = useState<{ key: string; loaded: Loaded<T> }>();
  const whole = `${tokenEpoch} ${key}`;

  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal).then(
      (value) => {
        if (!stop.signal.aborted) setAnswer({ key: whole, loaded: { at: "ready", value } });
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        const problem = asProblem(error);
        if (problem.status === 401) askForToken();
        setAnswer({ key: whole, loaded: { at: "failed", problem } });
      },
    );
    return () => {
      stop.abort();
    };
    // `load` is a new function at every render; `key` says when it asks for something else.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [whole]);

  return answer?.key === whole ? answer.loaded : { at: "loading" };
}
