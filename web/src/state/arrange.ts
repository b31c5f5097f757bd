/** The queue as it is listed: counted, filtered and sorted. */

import { shareOf, type Word, WORDS } from "../logic/meaning";
import { type Item, isSettled } from "./queue";

/** What images are counted and filtered by; an image may be in several groups. */
export type Group = Word | "MARKS" | "FAILED" | "PENDING";
export const GROUPS: readonly Group[] = [...WORDS, "MARKS", "FAILED", "PENDING"];

export const ORDERS = ["added", "suspicion", "name"] as const;
export type Order = (typeof ORDERS)[number];

export function groupsOf({ stage }: Item): Group[] {
  if (stage.at === "failed") return ["FAILED"];
  if (stage.at !== "done") return ["PENDING"];
  const { verdict, marks } = stage.judged;
  return [...(verdict ? [verdict] : []), ...(marks.length > 0 ? ["MARKS" as const] : [])];
}

/** The number of images in each group. */
export function totals(items: readonly Item[]): Record<Group, number> {
  const counts = Object.fromEntries(GROUPS.map((group) => [group, 0])) as Record<Group, number>;
  for (const group of items.flatMap(groupsOf)) counts[group] += 1;
  return counts;
}

export const inGroup = (item: Item, filter: Group | null) => filter === null || groupsOf(item).includes(filter);

/** All images in order, of equal suspicion those with more marks first; others that are equal in it stay in the order in which they were added. */
export function sorted(items: readonly Item[], order: Order): Item[] {
  if (order === "added") return [...items];
  const names = new Intl.Collator(undefined, { numeric: true });
  return items.toSorted(
    order === "name"
      ? (first, second) => names.compare(first.name, second.name)
      : (first, second) => suspicion(second) - suspicion(first) || marksOf(second) - marksOf(first),
  );
}

/** The image to choose next, `by` steps along those that are listed; the chosen one itself need not be listed. */
export function neighbour(
  ordered: readonly Item[],
  filter: Group | null,
  chosen: number | null,
  by: 1 | -1,
): number | null {
  const here = ordered.findIndex(({ key }) => key === chosen);
  const listed = (item: Item) => inGroup(item, filter);
  const found = by === 1 ? ordered.slice(here + 1).find(listed) : ordered.slice(0, Math.max(0, here)).findLast(listed);
  return found?.key ?? null;
}

const marksOf = ({ stage }: Item) => (stage.at === "done" ? stage.judged.marks.length : 0);

/** The probability of fake, as `unmask detect --sort suspicion`; images without a number come after all others, failed ones last. */
function suspicion(item: Item): number {
  if (item.stage.at === "done") return shareOf(item.stage.judged) ?? -1;
  return isSettled(item) ? -3 : -2;
}
