import { useEffect, useState } from "react";
import { asProblem, type Problem } from "../api/problem";
import { useApp } from "./app";

export type Loaded<T> = { at: "loading" } | { at: "ready"; value: T } | { at: "failed"; problem: Problem };

/** The result of `load`, loaded again when `key` or the token changes. */
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const { tokenVersion, askForToken } = useApp();
  const [latest, setLatest] = useState<{ key: string; loaded: Loaded<T> }>();
  const fullKey = `${tokenVersion} ${key}`;

  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal).then(
      (value) => {
        if (!stop.signal.aborted) setLatest({ key: fullKey, loaded: { at: "ready", value } });
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        const problem = asProblem(error);
        if (problem.status === 401) askForToken();
        setLatest({ key: fullKey, loaded: { at: "failed", problem } });
      },
    );
    return () => {
      stop.abort();
    };
    // `load` is a new function in every render; `key` changes when it loads something else.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [fullKey]);

  return latest?.key === fullKey ? latest.loaded : { at: "loading" };
}
