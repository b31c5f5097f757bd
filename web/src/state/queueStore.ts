/** The queue in the browser's own database (IndexedDB): on this machine only, for this address only. */

import { type KeptStage, keptStage, revived } from "./kept";
import type { Item } from "./queue";

const DATABASE = "unmask-queue";
/** Apart from the results, so that a result is written without its image. */
const FILES = "files";
const STAGES = "stages";
const LOCK = "unmask-queue";
/** After a reload, the page before it may take a moment to let go of the lock. */
const LOCK_MS = 1500;

export interface QueueStore {
  load: () => Promise<Item[]>;
  putFile: (item: Item) => Promise<void>;
  putStage: (item: Item) => Promise<void>;
  remove: (keys: readonly number[]) => Promise<void>;
}

/** `locked` where another tab keeps its queue, `unavailable` where the browser keeps nothing. */
export async function openQueueStore(): Promise<QueueStore | "locked" | "unavailable"> {
  try {
    if (!(await takeLock())) return "locked";
    return storeOf(await open());
  } catch {
    return "unavailable";
  }
}

/** Holds the lock until the tab is closed; false if another tab holds it. */
function takeLock(): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // Two tabs that keep the same queue would send each image twice. Browsers have locks on HTTPS and this machine only.
    if (!("locks" in navigator)) throw new Error("no locks");
    navigator.locks
      .request(LOCK, { signal: AbortSignal.timeout(LOCK_MS) }, () => {
        resolve(true);
        return new Promise(() => undefined);
      })
      .catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "TimeoutError") resolve(false);
        else reject(error instanceof Error ? error : new Error("no lock"));
      });
  });
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(FILES);
    request.result.createObjectStore(STAGES);
  };
  return resultOf(request);
}

function storeOf(database: IDBDatabase): QueueStore {
  const change = (names: readonly string[], work: (store: (name: string) => IDBObjectStore) => void) =>
    new Promise<void>((resolve, reject) => {
      const transaction = database.transaction(names, "readwrite");
      transaction.oncomplete = () => {
        resolve();
      };
      transaction.onabort = () => {
        reject(transaction.error ?? new Error("not written"));
      };
      work((name) => transaction.objectStore(name));
      // Without it the browser commits only after it has answered each request here, so a reload would undo the change.
      transaction.commit();
    });

  const remove = (keys: readonly number[]) =>
    change([FILES, STAGES], (store) => {
      for (const key of keys) for (const name of [FILES, STAGES]) store(name).delete(key);
    });

  return {
    async load() {
      const read = database.transaction([FILES, STAGES], "readonly");
      const [keys, files, stageKeys, stages] = await Promise.all([
        resultOf(read.objectStore(FILES).getAllKeys() as IDBRequest<number[]>),
        resultOf(read.objectStore(FILES).getAll() as IDBRequest<Pick<Item, "file" | "name">[]>),
        resultOf(read.objectStore(STAGES).getAllKeys() as IDBRequest<number[]>),
        resultOf(read.objectStore(STAGES).getAll() as IDBRequest<KeptStage[]>),
      ]);
      const stageOf = new Map(stageKeys.map((key, place) => [key, stages[place]]));
      const items = keys.flatMap((key, place) => {
        const file = files[place];
        return file ? [{ key, ...file, stage: revived(stageOf.get(key) ?? { at: "waiting" }) }] : [];
      });
      // The result of an image for which there was no room.
      const orphans = stageKeys.filter((key) => !keys.includes(key));
      if (orphans.length > 0) await remove(orphans);
      return items;
    },
    putFile: ({ key, file, name }) =>
      change([FILES], (store) => {
        store(FILES).put({ file, name }, key);
      }),
    putStage: ({ key, stage }) =>
      change([STAGES], (store) => {
        store(STAGES).put(keptStage(stage), key);
      }),
    remove,
  };
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(request.error ?? new Error("not read"));
    };
  });
}
