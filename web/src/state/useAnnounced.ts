import { useEffect, useRef } from "react";
import { t } from "../strings";
import { useApp } from "./app";
import { GROUPS, totals } from "./arrange";
import { type Item, isSettled } from "./queue";
import { settledWords } from "./settledWords";

/** As many verdicts are announced one by one; of more, only the totals at the end. */
const FEW = 5;

/** Announces verdicts as they arrive, each once; those restored from an earlier visit not at all. */
export function useAnnounced(items: readonly Item[]): void {
  const { announce } = useApp();
  const pending = useRef(new Set<number>());
  const many = useRef(false);
  useEffect(() => {
    const before = pending.current;
    pending.current = new Set(items.filter((item) => !isSettled(item)).map(({ key }) => key));
    many.current ||= pending.current.size > FEW;
    if (!many.current) {
      for (const item of items) if (before.has(item.key) && isSettled(item)) announce(settledWords(item) ?? "");
    } else if (pending.current.size === 0) {
      many.current = false;
      if (items.length > 0) announce(t.queue.finishedAll(totalsInWords(items)));
    }
  }, [items, announce]);
}

function totalsInWords(items: readonly Item[]): string {
  const counts = totals(items);
  const present = GROUPS.filter((group) => counts[group] > 0);
  return present.map((group) => `${t.groups[group]}: ${counts[group]}`).join(", ");
}
