/** State of the list of clips, as a reducer without side effects. */

import type { Problem } from "../api/problem";
import type { Clip, ClipItem } from "../api/types";

export type ClipStage =
  | { at: "sending"; share: number }
  /** The service has it; `verdict` only once the whole clip was loaded. */
  | { at: "known"; clip: ClipItem & Partial<Pick<Clip, "verdict">> }
  | { at: "refused"; problem: Problem };

export interface ClipEntry {
  key: string;
  name: string;
  /** The local file; null if it was added elsewhere or before a reload. */
  file: File | null;
  stage: ClipStage;
}

export interface ClipList {
  entries: readonly ClipEntry[];
  chosen: string | null;
}

export type ClipAction =
  | { what: "added"; entries: readonly Omit<ClipEntry, "stage">[] }
  | { what: "sent"; key: string; share: number }
  | { what: "accepted"; key: string; clip: Clip }
  | { what: "refused"; key: string; problem: Problem }
  | { what: "retried"; key: string }
  | { what: "listed"; items: readonly ClipItem[] }
  | { what: "changed"; clip: Clip }
  | { what: "attached"; key: string; file: File }
  /** By key, or by the service's identifier. */
  | { what: "removed"; key: string }
  | { what: "chosen"; key: string };

export const noClips: ClipList = { entries: [], chosen: null };

export function reduceClips(list: ClipList, action: ClipAction): ClipList {
  switch (action.what) {
    case "added": {
      const added = action.entries.map((entry) => ({ ...entry, stage: { at: "sending", share: 0 } as const }));
      return { entries: [...added, ...list.entries], chosen: added[0]?.key ?? list.chosen };
    }
    case "sent":
      return change(list, action.key, () => ({ at: "sending", share: action.share }));
    case "accepted":
      return change(list, action.key, () => ({ at: "known", clip: action.clip }));
    case "refused":
      return change(list, action.key, () => ({ at: "refused", problem: action.problem }));
    case "retried":
      return change(list, action.key, () => ({ at: "sending", share: 0 }));
    case "listed": {
      const known = new Set(list.entries.flatMap(({ stage }) => (stage.at === "known" ? [stage.clip.id] : [])));
      const listed = action.items
        .filter(({ id }) => !known.has(id))
        .map((clip) => ({ key: clip.id, name: clip.filename, file: null, stage: { at: "known", clip } as const }));
      return { ...list, entries: [...list.entries, ...listed] };
    }
    case "changed": {
      const key = list.entries.find(({ stage }) => stage.at === "known" && stage.clip.id === action.clip.id)?.key;
      return key === undefined ? list : change(list, key, () => ({ at: "known", clip: action.clip }));
    }
    case "attached":
      return {
        ...list,
        entries: list.entries.map((entry) => (entry.key === action.key ? { ...entry, file: action.file } : entry)),
      };
    case "removed": {
      const is = ({ key, stage }: ClipEntry) =>
        key === action.key || (stage.at === "known" && stage.clip.id === action.key);
      const place = list.entries.findIndex(is);
      const entries = list.entries.filter((entry) => !is(entry));
      const next = entries[Math.min(place, entries.length - 1)]?.key ?? null;
      return { entries, chosen: list.entries[place]?.key === list.chosen ? next : list.chosen };
    }
    case "chosen":
      return { ...list, chosen: action.key };
  }
}

export const isUnfinished = ({ state }: Pick<ClipItem, "state">) => state === "waiting" || state === "running";

/** Identifiers of the clips that the service has not finished. */
export function unfinished({ entries }: ClipList): string[] {
  return entries.flatMap(({ stage }) => (stage.at === "known" && isUnfinished(stage.clip) ? [stage.clip.id] : []));
}

function change(list: ClipList, key: string, stageOf: (entry: ClipEntry) => ClipStage): ClipList {
  return {
    ...list,
    entries: list.entries.map((entry) => (entry.key === key ? { ...entry, stage: stageOf(entry) } : entry)),
  };
}
