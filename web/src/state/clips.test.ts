import { expect, it } from "vitest";
import { Problem } from "../api/problem";
import type { Clip, ClipItem } from "../api/types";
import { type ClipAction, type ClipList, noClips, reduceClips, unfinished } from "./clips";

const clip = (id: string, state: ClipItem["state"]) => ({ id, state, filename: `${id}.mp4` }) as Clip;
const file = { name: "a.mp4" } as File;
const after = (...actions: ClipAction[]): ClipList => actions.reduce(reduceClips, noClips);
const added = (key: string): ClipAction => ({ what: "added", entries: [{ key, name: "a.mp4", file }] });

it("lists a clip that was just sent only once, first and chosen", () => {
  const list = after(
    { what: "listed", items: [clip("old", "done")] },
    added("local"),
    { what: "sent", key: "local", share: 1 },
    { what: "accepted", key: "local", clip: clip("new", "waiting") },
    { what: "listed", items: [clip("new", "running"), clip("old", "done")] },
  );
  expect(list.entries.map(({ key }) => key)).toEqual(["local", "old"]);
  expect(list.chosen).toBe("local");
  expect(list.entries[0]?.file).toBe(file);
  expect(unfinished(list)).toEqual(["new"]);
});

it("takes changes by the service's identifier, and forgets those of removed clips", () => {
  const list = after(
    added("local"),
    { what: "accepted", key: "local", clip: clip("new", "running") },
    { what: "changed", clip: clip("new", "done") },
    { what: "changed", clip: clip("unknown", "done") },
  );
  expect(list.entries).toHaveLength(1);
  expect(unfinished(list)).toEqual([]);
  const empty = reduceClips(list, { what: "removed", key: "local" });
  expect(empty).toEqual(noClips);
  expect(reduceClips(empty, { what: "changed", clip: clip("new", "done") })).toEqual(noClips);
});

it("chooses the neighbour of a removed clip, and tries a refused one again", () => {
  const list = after({ what: "listed", items: [clip("1", "done"), clip("2", "done"), clip("3", "done")] });
  const chosen = (key: string) => reduceClips(list, { what: "chosen", key });
  expect(reduceClips(chosen("2"), { what: "removed", key: "2" }).chosen).toBe("3");
  expect(reduceClips(chosen("3"), { what: "removed", key: "3" }).chosen).toBe("2");
  expect(reduceClips(chosen("1"), { what: "removed", key: "3" }).chosen).toBe("1");
  const refused = after(added("a"), { what: "refused", key: "a", problem: new Problem(429, "busy", "") });
  expect(refused.entries[0]?.stage.at).toBe("refused");
  expect(reduceClips(refused, { what: "retried", key: "a" }).entries[0]?.stage).toEqual({ at: "sending", share: 0 });
});
