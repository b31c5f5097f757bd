/** The queue of images as a pure state: what happened goes in, the next state comes out. */

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

export type Happening =
  | { what: "added"; items: readonly Omit<Item, "stage">[] }
  | { what: "sent"; key: number; share: number }
  | { what: "postponed"; key: number; until: number }
  | { what: "done"; key: number; judged: Judged }
  | { what: "answered"; key: number; answer: Answer }
  | { what: "failed"; key: number; problem: Problem }
  | { what: "retried"; keys: readonly number[] }
  | { what: "removed"; keys: readonly number[] }
  | { what: "chosen"; key: number };

export const emptyQueue: Queue = { items: [], chosen: null };

/** How many images are sent at once, and how often a busy service is asked again. */
export const AT_ONCE = 2;
export const MOST_TRIES = 8;

export function reduce(queue: Queue, happening: Happening): Queue {
  switch (happening.what) {
    case "added": {
      const added = happening.items.map((item) => ({ ...item, stage: waiting() }));
      return { items: [...queue.items, ...added], chosen: queue.chosen ?? added[0]?.key ?? null };
    }
    case "sent":
      return change(queue, [happening.key], ({ stage }) => {
        const tries = triesOf(stage) + (stage.at === "waiting" ? 1 : 0);
        return happening.share < 1 ? { at: "sending", share: happening.share, tries } : { at: "judging", tries };
      });
    case "postponed":
      return change(queue, [happening.key], ({ stage }) => ({
        at: "waiting",
        notBefore: happening.until,
        tries: triesOf(stage),
      }));
    case "done":
      return change(queue, [happening.key], () => ({ at: "done", judged: happening.judged, answer: null }));
    case "answered":
      return change(queue, [happening.key], ({ stage }) =>
        stage.at === "done" ? { ...stage, answer: happening.answer } : stage,
      );
    case "failed":
      return change(queue, [happening.key], () => ({ at: "failed", problem: happening.problem }));
    case "retried":
      return change(queue, happening.keys, waiting);
    case "removed": {
      const items = queue.items.filter((item) => !happening.keys.includes(item.key));
      const stays = items.some((item) => item.key === queue.chosen);
      return { items, chosen: stays ? queue.chosen : neighbour(queue, happening.keys) };
    }
    case "chosen":
      return { ...queue, chosen: happening.key };
  }
}

/** What may be sent now: the first that wait, as many as there is room for. */
export function due(queue: Queue, now: number): Item[] {
  const busy = queue.items.filter(isBusy).length;
  return queue.items
    .filter(({ stage }) => stage.at === "waiting" && stage.notBefore <= now)
    .slice(0, Math.max(0, AT_ONCE - busy));
}

/** When the next postponed image may be sent; null if none is. */
export function nextDue(queue: Queue, now: number): number | null {
  const later = queue.items.flatMap(({ stage }) =>
    stage.at === "waiting" && stage.notBefore > now ? [stage.notBefore] : [],
  );
  return later.length > 0 ? Math.min(...later) : null;
}

/** When to ask a busy service again: when it said, or after 1, 2, 4 ... at most 30 seconds. */
export function askAgainAt(now: number, problem: Problem, tries: number): number {
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

/** An item that was removed meanwhile stays away, whatever its request still says. */
function change(queue: Queue, keys: readonly number[], stageOf: (item: Item) => Stage): Queue {
  return {
    ...queue,
    items: queue.items.map((item) => (keys.includes(item.key) ? { ...item, stage: stageOf(item) } : item)),
  };
}

/** The item after the chosen one that stays, else the one before. */
function neighbour({ items, chosen }: Queue, removed: readonly number[]): number | null {
  const place = items.findIndex((item) => item.key === chosen);
  const stays = (item: Item) => !removed.includes(item.key);
  return (items.slice(place).find(stays) ?? items.slice(0, Math.max(0, place)).findLast(stays))?.key ?? null;
}
