/** State of the image queue, as a reducer without side effects. */

import type { Problem } from "../api/problem";
import type { Answer, Judged } from "../api/types";

export type Stage =
  | { at: "waiting"; notBefore: number; tries: number }
  | { at: "sending"; share: number; tries: number }
  | { at: "judging"; tries: number }
  | { at: "done"; judged: Judged; answer: Answer | null }
  | { at: "failed"; problem: Problem };

export interface Item {
  key: number;
  file: File;
  name: string;
  stage: Stage;
}

export interface Queue {
  items: readonly Item[];
  chosen: number | null;
}

export type QueueAction =
  | { what: "added"; items: readonly Omit<Item, "stage">[] }
  | { what: "restored"; items: readonly Item[] }
  | { what: "sent"; key: number; share: number }
  | { what: "postponed"; key: number; until: number }
  | { what: "done"; key: number; judged: Judged }
  | { what: "answered"; key: number; answer: Answer }
  | { what: "failed"; key: number; problem: Problem }
  | { what: "retried"; keys: readonly number[] }
  | { what: "removed"; keys: readonly number[] }
  | { what: "chosen"; key: number };

export const emptyQueue: Queue = { items: [], chosen: null };

/** Number of simultaneous uploads, and of tries if the service is busy. */
export const MAX_PARALLEL = 2;
export const MAX_TRIES = 8;

export function reduce(queue: Queue, action: QueueAction): Queue {
  switch (action.what) {
    case "added": {
      const added = action.items.map((item) => ({ ...item, stage: waiting() }));
      return { items: [...queue.items, ...added], chosen: queue.chosen ?? added[0]?.key ?? null };
    }
    case "restored":
      return {
        items: [...action.items, ...queue.items],
        chosen: queue.chosen ?? action.items[0]?.key ?? null,
      };
    case "sent":
      return change(queue, [action.key], ({ stage }) => {
        const tries = triesOf(stage) + (stage.at === "waiting" ? 1 : 0);
        return action.share < 1 ? { at: "sending", share: action.share, tries } : { at: "judging", tries };
      });
    case "postponed":
      return change(queue, [action.key], ({ stage }) => ({
        at: "waiting",
        notBefore: action.until,
        tries: triesOf(stage),
      }));
    case "done":
      return change(queue, [action.key], () => ({ at: "done", judged: action.judged, answer: null }));
    case "answered":
      return change(queue, [action.key], ({ stage }) =>
        stage.at === "done" ? { ...stage, answer: action.answer } : stage,
      );
    case "failed":
      return change(queue, [action.key], () => ({ at: "failed", problem: action.problem }));
    case "retried":
      return change(queue, action.keys, waiting);
    case "removed": {
      const items = queue.items.filter((item) => !action.keys.includes(item.key));
      const stays = items.some((item) => item.key === queue.chosen);
      return { items, chosen: stays ? queue.chosen : neighbour(queue, action.keys) };
    }
    case "chosen":
      return { ...queue, chosen: action.key };
  }
}

/** The images to send now: the first waiting ones, up to the limit. */
export function due(queue: Queue, now: number): Item[] {
  const busy = queue.items.filter(isBusy).length;
  return queue.items
    .filter(({ stage }) => stage.at === "waiting" && stage.notBefore <= now)
    .slice(0, Math.max(0, MAX_PARALLEL - busy));
}

/** When the next postponed image may be sent; null if there is none. */
export function nextDue(queue: Queue, now: number): number | null {
  const later = queue.items.flatMap(({ stage }) =>
    stage.at === "waiting" && stage.notBefore > now ? [stage.notBefore] : [],
  );
  return later.length > 0 ? Math.min(...later) : null;
}

/** When to retry: after the time that the service gave, or 1, 2, 4 ... up to 30 seconds. */
export function retryAt(now: number, problem: Problem, tries: number): number {
  return now + 1000 * (problem.retryAfter ?? Math.min(30, 2 ** Math.max(0, tries - 1)));
}

export function isBusy({ stage }: Item): boolean {
  return stage.at === "sending" || stage.at === "judging";
}

export function isSettled({ stage }: Item): boolean {
  return stage.at === "done" || stage.at === "failed";
}

export function triesOf(stage: Stage): number {
  return "tries" in stage ? stage.tries : 0;
}

function waiting(): Stage {
  return { at: "waiting", notBefore: 0, tries: 0 };
}

/** Items that have been removed stay removed, even if their request ends later. */
function change(queue: Queue, keys: readonly number[], stageOf: (item: Item) => Stage): Queue {
  return {
    ...queue,
    items: queue.items.map((item) => (keys.includes(item.key) ? { ...item, stage: stageOf(item) } : item)),
  };
}

/** The next item after the chosen one that is not removed, else the one before it. */
function neighbour({ items, chosen }: Queue, removed: readonly number[]): number | null {
  const place = items.findIndex((item) => item.key === chosen);
  const stays = (item: Item) => !removed.includes(item.key);
  return (items.slice(place).find(stays) ?? items.slice(0, Math.max(0, place)).findLast(stays))?.key ?? null;
}
