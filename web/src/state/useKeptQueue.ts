import { useEffect, useRef, useState } from "react";
import { versionOf, within } from "./kept";
import { type Item, isSettled } from "./queue";
import { openQueueStore, type QueueStore } from "./queueStore";

export type Keeping =
  | { how: "opening" }
  /** Kept, all but `left` images, for which there is no room. */
  | { how: "kept"; left: number }
  | { how: "locked" | "unavailable" | "full" };

// Opened once for the page: the lock is held until it is closed.
let opened: ReturnType<typeof openQueueStore> | undefined;

/** Restores the queue of an earlier visit, and then keeps it in the browser as it changes. */
export function useKeptQueue(items: readonly Item[], restore: (items: readonly Item[]) => void): Keeping {
  const [store, setStore] = useState<QueueStore | "locked" | "unavailable" | null>(null);
  const [full, setFull] = useState(false);
  const written = useRef(new Map<number, unknown>());
  const last = useRef(Promise.resolve());
  const restored = useRef(restore);

  useEffect(() => {
    let current = true;
    const start = async () => {
      opened ??= openQueueStore();
      const found = await opened;
      if (typeof found === "string") return found;
      const earlier = await found.load();
      if (!current) return null;
      for (const { key, stage } of earlier) written.current.set(key, versionOf(stage));
      restored.current(earlier);
      return found;
    };
    void start()
      .catch(() => "unavailable" as const)
      .then((found) => {
        if (current) setStore(found);
      });
    return () => {
      current = false;
    };
  }, []);

  useEffect(() => {
    if (store === null || typeof store === "string") return;
    const changes = changesIn(within(items), written.current);
    for (const change of changes) {
      // One after the other, so that a removal is never overtaken.
      last.current = last.current
        .then(() => change(store))
        .catch(() => {
          setFull(true);
        });
    }
  }, [items, store]);

  if (store === null) return { how: "opening" };
  if (typeof store === "string") return { how: store };
  if (full) return { how: "full" };
  return { how: "kept", left: items.length - within(items).length };
}

type Change = (store: QueueStore) => Promise<void>;

/** What to write, given what was written before, which is updated. */
function changesIn(items: readonly Item[], written: Map<number, unknown>): Change[] {
  const changes: Change[] = [];
  const gone = new Set(written.keys());
  for (const item of items) {
    const version = versionOf(item.stage);
    gone.delete(item.key);
    if (!written.has(item.key)) changes.push((store) => store.putFile(item));
    if (written.get(item.key) !== version && (isSettled(item) || written.has(item.key)))
      changes.push((store) => store.putStage(item));
    written.set(item.key, version);
  }
  for (const key of gone) written.delete(key);
  if (gone.size > 0) changes.unshift((store) => store.remove([...gone]));
  return changes;
}
