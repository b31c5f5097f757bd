import { describe, expect, it } from "vitest";
import { Problem } from "../api/problem";
import type { Judged } from "../api/types";
import {
  retryAt,
  MAX_PARALLEL,
  due,
  emptyQueue,
  type QueueAction,
  nextDue,
  reduce,
  type Stage,
  triesOf,
} from "./queue";

const judged = { verdict: "REAL" } as Judged;
const problem = new Problem(422, "corrupt", "");

const added = (...keys: number[]): QueueAction => ({
  what: "added",
  items: keys.map((key) => ({ key, file: new File([], `${key}`), name: `${key}` })),
});
const after = (...actions: QueueAction[]) => actions.reduce(reduce, emptyQueue);
const stages = (...actions: QueueAction[]) => after(...actions).items.map(({ stage }) => stage.at);
const dueKeys = (now: number, ...actions: QueueAction[]) => due(after(...actions), now).map(({ key }) => key);

describe("the stages of an image", () => {
  it("are waiting, sending, judging, done", () => {
    const path: QueueAction[] = [
      added(1),
      { what: "sent", key: 1, share: 0.5 },
      { what: "sent", key: 1, share: 1 },
      { what: "done", key: 1, judged },
    ];
    expect(path.map((_, step) => stages(...path.slice(0, step + 1))[0])).toEqual([
      "waiting",
      "sending",
      "judging",
      "done",
    ]);
  });

  it("keep the feedback on a verdict", () => {
    const answer = { verdict: "wrong" as const, note: "n" };
    const queue = after(added(1), { what: "done", key: 1, judged }, { what: "answered", key: 1, answer });
    expect(queue.items[0]?.stage).toEqual({ at: "done", judged, answer });
  });

  it("can end in a problem and start again", () => {
    expect(stages(added(1, 2), { what: "failed", key: 1, problem }, { what: "retried", keys: [1] })).toEqual([
      "waiting",
      "waiting",
    ]);
  });

  it("end when the image is removed, even if its request ends later", () => {
    expect(stages(added(1), { what: "removed", keys: [1] }, { what: "done", key: 1, judged })).toEqual([]);
  });
});

describe("restored images", () => {
  const done: Stage = { at: "done", judged, answer: null };
  const restored: QueueAction = {
    what: "restored",
    items: [{ key: 1, file: new File([], "1"), name: "1", stage: done }],
  };

  it("keep their stage, and come before those added since", () => {
    expect(stages(added(2), restored)).toEqual(["done", "waiting"]);
  });

  it("do not change the choice", () => {
    expect(after(restored).chosen).toBe(1);
    expect(after(added(2), restored).chosen).toBe(2);
    expect(after({ what: "restored", items: [] }).chosen).toBeNull();
  });
});

describe("the images to send now", () => {
  it("are as many as the limit allows, in order", () => {
    expect(dueKeys(0, added(1, 2, 3, 4))).toEqual([1, 2].slice(0, MAX_PARALLEL));
    expect(dueKeys(0, added(1, 2, 3), { what: "sent", key: 1, share: 0 })).toEqual([2]);
    expect(dueKeys(0, added(1, 2, 3), { what: "sent", key: 1, share: 0 }, { what: "sent", key: 2, share: 1 })).toEqual(
      [],
    );
  });

  it("leave out a postponed image until its time", () => {
    const actions: QueueAction[] = [
      added(1, 2),
      { what: "sent", key: 1, share: 0 },
      { what: "postponed", key: 1, until: 500 },
    ];
    expect(dueKeys(499, ...actions)).toEqual([2]);
    expect(nextDue(after(...actions), 499)).toBe(500);
    expect(dueKeys(500, ...actions)).toEqual([1, 2]);
    expect(nextDue(after(...actions), 500)).toBeNull();
  });

  it("count each try once, across postponements", () => {
    const again: QueueAction[] = [
      { what: "sent", key: 1, share: 0 },
      { what: "sent", key: 1, share: 0.4 },
      { what: "postponed", key: 1, until: 0 },
    ];
    const item = after(added(1), ...again, ...again).items[0];
    expect(item && triesOf(item.stage)).toBe(2);
  });
});

it("retries a busy service when told to, or after growing waits", () => {
  expect(retryAt(100, new Problem(429, "", "", 3), 1)).toBe(3100);
  expect([1, 2, 3, 9].map((tries) => retryAt(0, new Problem(429, "", ""), tries))).toEqual([1000, 2000, 4000, 30000]);
});

describe("the chosen image", () => {
  it("is the first, and stays when more are added", () => {
    expect(after(added(1, 2), added(3)).chosen).toBe(1);
  });

  it.each([
    [2, [2], 3],
    [3, [3], 2],
    [2, [2, 3], 1],
    [1, [2], 1],
    [1, [1, 2, 3], null],
  ])("%i, with %o removed, becomes %o", (key, keys, chosen) => {
    expect(after(added(1, 2, 3), { what: "chosen", key }, { what: "removed", keys }).chosen).toBe(chosen);
  });
});
