/** Sends clips, follows those that the service has not finished, and lists those that it has. */

import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import { asProblem, Problem } from "../api/problem";
import { describe } from "../logic/problemWords";
import { verdictWords } from "../logic/verdictWords";
import { locale, t } from "../strings";
import { useApp } from "./app";
import { type ClipEntry, type ClipList, isUnfinished, noClips, reduceClips, unfinished } from "./clips";
import { useAttempt } from "./useAttempt";

export interface ClipControl {
  list: ClipList;
  /** Whether the service has older clips that are not listed. */
  more: boolean;
  problem: Problem | null;
  add: (files: readonly File[]) => void;
  attach: (key: string, file: File) => void;
  cancel: (entry: ClipEntry) => void;
  choose: (key: string) => void;
  loadMore: () => void;
  remove: (entry: ClipEntry) => void;
  retry: (entry: ClipEntry) => void;
}

export function useClips(): ClipControl {
  const { client, model, tokenVersion, askForToken, announce } = useApp();
  const { problem, attempt } = useAttempt();
  const [list, dispatch] = useReducer(reduceClips, noClips);
  const [cursor, setCursor] = useState<string | null>(null);
  const sending = useRef(new Map<string, AbortController>());
  const following = useRef(new Map<string, AbortController>());
  const lastKey = useRef(0);
  const limits = model?.limits.clips ?? null;

  useEffect(() => {
    if (limits === null) return undefined;
    const stop = new AbortController();
    client.clips(null, stop.signal).then(
      ({ items, next }) => {
        dispatch({ what: "listed", items });
        setCursor(next);
      },
      (error: unknown) => {
        if (!stop.signal.aborted && asProblem(error).status === 401) askForToken();
      },
    );
    return () => {
      stop.abort();
    };
  }, [client, limits, tokenVersion, askForToken]);

  const send = useCallback(
    async ({ key, name, file }: Pick<ClipEntry, "key" | "name" | "file">) => {
      if (file === null) return;
      const stop = new AbortController();
      sending.current.set(key, stop);
      try {
        if (limits !== null && file.size > limits.max_bytes) throw new Problem(413, "file_too_large", "");
        const clip = await client.sendClip(
          file,
          name,
          (share) => {
            dispatch({ what: "sent", key, share });
          },
          stop.signal,
        );
        dispatch({ what: "accepted", key, clip });
      } catch (caught) {
        const found = asProblem(caught);
        if (stop.signal.aborted) return;
        if (found.status === 401) askForToken();
        announce(t.queue.finished(name, describe(found, t).text));
        dispatch({ what: "refused", key, problem: found });
      } finally {
        sending.current.delete(key);
      }
    },
    [client, limits, askForToken, announce],
  );

  // One follower for each clip that is not finished.
  const wanted = unfinished(list).join(" ");
  useEffect(() => {
    const ids = new Set(wanted.split(" ").filter(Boolean));
    for (const [id, stop] of following.current) {
      if (ids.has(id)) continue;
      stop.abort();
      following.current.delete(id);
    }
    for (const id of ids) {
      if (following.current.has(id)) continue;
      const stop = new AbortController();
      following.current.set(id, stop);
      void follow(id, stop.signal);
    }

    async function follow(id: string, signal: AbortSignal) {
      const stopped = () => signal.aborted;
      for (let tries = 0; !stopped(); tries += 1) {
        try {
          await client.followClip(
            id,
            (clip) => {
              tries = 0;
              dispatch({ what: "changed", clip });
              if (!isUnfinished(clip)) {
                announce(
                  t.queue.finished(
                    clip.filename || t.clips.unnamed,
                    clip.verdict
                      ? Object.values(verdictWords(clip.verdict, t, locale)).join(", ")
                      : t.clips[clip.state],
                  ),
                );
              }
            },
            signal,
          );
        } catch (caught) {
          if (stopped()) return;
          const found = asProblem(caught);
          if (found.status === 401) askForToken();
          if (found.status === 404) {
            dispatch({ what: "removed", key: id });
            return;
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(10, 2 ** tries)));
      }
    }
  }, [wanted, client, askForToken, announce]);

  // The whole of a finished clip is loaded once it is looked at.
  const shown = list.entries.find(({ key }) => key === list.chosen);
  const missing =
    shown?.stage.at === "known" && shown.stage.clip.state === "done" && shown.stage.clip.verdict === undefined
      ? shown.stage.clip.id
      : null;
  useEffect(() => {
    if (missing === null) return undefined;
    const stop = new AbortController();
    client.clip(missing, stop.signal).then(
      (clip) => {
        dispatch({ what: "changed", clip });
      },
      (error: unknown) => {
        if (!stop.signal.aborted && asProblem(error).status === 401) askForToken();
      },
    );
    return () => {
      stop.abort();
    };
  }, [missing, client, tokenVersion, askForToken]);

  const idOf = ({ stage }: ClipEntry) => (stage.at === "known" ? stage.clip.id : null);
  return {
    list,
    more: cursor !== null,
    problem,
    add: (files) => {
      const entries = files.map((file) => {
        lastKey.current += 1;
        return { key: `local ${lastKey.current}`, name: file.name || t.clips.unnamed, file };
      });
      dispatch({ what: "added", entries });
      for (const entry of entries) void send(entry);
    },
    attach: (key, file) => {
      dispatch({ what: "attached", key, file });
    },
    cancel: (entry) => {
      const id = idOf(entry);
      if (id === null) {
        sending.current.get(entry.key)?.abort();
        dispatch({ what: "removed", key: entry.key });
        announce(t.clips.cancelled);
        return;
      }
      void attempt(async () => {
        dispatch({ what: "changed", clip: await client.cancelClip(id) });
        announce(t.queue.finished(entry.name, t.clips.cancelled));
      });
    },
    choose: (key) => {
      dispatch({ what: "chosen", key });
    },
    loadMore: () => {
      void attempt(async () => {
        const { items, next } = await client.clips(cursor);
        dispatch({ what: "listed", items });
        setCursor(next);
      });
    },
    remove: (entry) => {
      const id = idOf(entry);
      void attempt(async () => {
        if (id !== null) await client.deleteClip(id);
        dispatch({ what: "removed", key: entry.key });
        announce(t.clips.removed(entry.name));
      });
    },
    retry: (entry) => {
      dispatch({ what: "retried", key: entry.key });
      void send(entry);
    },
  };
}
