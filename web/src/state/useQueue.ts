/** Sends the images in the queue, a few at a time, and keeps their results. */

import { useCallback, useEffect, useReducer, useRef } from "react";
import { asProblem, Problem } from "../api/problem";
import type { Answer } from "../api/types";
import { t } from "../strings";
import { useApp } from "./app";
import { type Keeping, useKeptQueue } from "./useKeptQueue";
import { retryAt, due, emptyQueue, type Item, MAX_TRIES, nextDue, type Queue, reduce, triesOf } from "./queue";

export interface QueueControl {
  queue: Queue;
  keeping: Keeping;
  add: (files: readonly File[]) => void;
  choose: (key: number) => void;
  answer: (key: number, answer: Answer) => void;
  retry: (key: number) => void;
  remove: (keys: readonly number[]) => void;
}

const isBusyResponse = (problem: Problem) => problem.status === 429 || problem.status === 503;

export function useQueue(): QueueControl {
  const { client, model, tokenVersion, askForToken } = useApp();
  const [queue, dispatch] = useReducer(reduce, emptyQueue);
  const running = useRef(new Map<number, AbortController>());
  const lastKey = useRef(0);
  const maxBytes = model?.limits.max_body_bytes ?? Infinity;

  const send = useCallback(
    async ({ key, file, name, stage }: Item) => {
      const stop = new AbortController();
      running.current.set(key, stop);
      dispatch({ what: "sent", key, share: 0 });
      try {
        if (file.size > maxBytes) throw new Problem(413, "file_too_large", "");
        const onProgress = (fraction: number) => {
          dispatch({ what: "sent", key, share: fraction });
        };
        dispatch({ what: "done", key, judged: await client.detect(file, name, onProgress, stop.signal) });
      } catch (caught) {
        const problem = asProblem(caught);
        const tries = triesOf(stage) + 1;
        if (problem.status === 401) askForToken();
        if (isBusyResponse(problem) && tries < MAX_TRIES) {
          dispatch({ what: "postponed", key, until: retryAt(Date.now(), problem, tries) });
        } else dispatch({ what: "failed", key, problem });
      } finally {
        running.current.delete(key);
      }
    },
    [client, maxBytes, askForToken],
  );

  useEffect(() => {
    const run = () => {
      for (const item of due(queue, Date.now())) if (!running.current.has(item.key)) void send(item);
    };
    run();
    const later = nextDue(queue, Date.now());
    if (later === null) return undefined;
    const timer = setTimeout(run, later - Date.now() + 10);
    return () => {
      clearTimeout(timer);
    };
  }, [queue, send]);

  const keeping = useKeptQueue(queue.items, (items) => {
    dispatch({ what: "restored", items });
  });

  // Images refused for lack of a token are retried as soon as there is one.
  const refused = queue.items.flatMap(({ key, stage }) =>
    stage.at === "failed" && stage.problem.status === 401 ? [key] : [],
  );
  const refusedNow = useRef(refused);
  useEffect(() => {
    refusedNow.current = refused;
  });
  useEffect(() => {
    if (refusedNow.current.length > 0) dispatch({ what: "retried", keys: refusedNow.current });
  }, [tokenVersion]);

  return {
    queue,
    keeping,
    add: (files) => {
      // Later than any key of an earlier visit, whose images may be restored.
      const first = Math.max(1000 * Date.now(), lastKey.current + 1);
      const items = files.map((file, place) => ({ key: first + place, file, name: file.name || t.queue.pasted }));
      lastKey.current = first + items.length;
      dispatch({ what: "added", items });
    },
    choose: (key) => {
      dispatch({ what: "chosen", key });
    },
    answer: (key, answer) => {
      dispatch({ what: "answered", key, answer });
    },
    retry: (key) => {
      dispatch({ what: "retried", keys: [key] });
    },
    remove: (keys) => {
      for (const key of keys) running.current.get(key)?.abort();
      dispatch({ what: "removed", keys });
    },
  };
}
