import { type ReactNode, useEffect, useRef } from "react";
import { type Group, inGroup, type Order, ORDERS, sorted } from "../state/arrange";
import { isSettled, type Queue } from "../state/queue";
import type { Keeping } from "../state/useKeptQueue";
import { t } from "../strings";
import { KeptNote } from "./KeptNote";
import { QueueEntry } from "./QueueEntry";
import { QueueTotals } from "./QueueTotals";
import { ResultsDownload } from "./ResultsDownload";

interface Props {
  queue: Queue;
  keeping: Keeping;
  order: Order;
  setOrder: (order: Order) => void;
  filter: Group | null;
  setFilter: (filter: Group | null) => void;
  choose: (key: number) => void;
  remove: (keys: readonly number[]) => void;
  showKeys: () => void;
}

export function QueueList({ queue, keeping, order, setOrder, filter, setFilter, choose, remove, showKeys }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const { items, chosen } = queue;
  const listed = sorted(items, order).filter((item) => inGroup(item, filter));
  const drop = (keys: readonly number[]) => {
    remove(keys);
    // The button that had the focus has been removed.
    heading.current?.focus();
  };
  useEffect(() => {
    if (list.current) showChosen(list.current);
  }, [chosen]);

  return (
    <section className="queue">
      <div className="queue-head">
        <h2 ref={heading} tabIndex={-1}>
          {t.queue.heading}
        </h2>
        <span className="dim">{t.queue.counts(items.filter(isSettled).length, items.length)}</span>
        <button type="button" className="quiet" onClick={showKeys}>
          {t.queue.keys}
        </button>
      </div>
      {items.length > 1 && (
        <div className="queue-tools">
          <QueueTotals items={items} filter={filter} setFilter={setFilter} />
          <Sort order={order} setOrder={setOrder} />
        </div>
      )}
      {listed.length === 0 && <p className="dim queue-none">{t.queue.noneListed}</p>}
      <ol ref={list} tabIndex={-1}>
        {listed.map((item) => (
          <QueueEntry key={item.key} item={item} chosen={item.key === chosen} choose={choose} remove={drop} />
        ))}
      </ol>
      <div className="queue-foot">
        <ResultsDownload items={items} />
        <KeptNote keeping={keeping} />
        <button
          type="button"
          onClick={() => {
            drop(items.map(({ key }) => key));
          }}
        >
          {t.queue.clear}
        </button>
      </div>
    </section>
  );
}

/** Scrolls the list, but not the page. */
function showChosen(list: HTMLElement) {
  const chosen = list.querySelector("[data-chosen=true]")?.getBoundingClientRect();
  if (chosen === undefined) return;
  const { top, bottom } = list.getBoundingClientRect();
  list.scrollTop += Math.min(0, chosen.top - top) + Math.max(0, chosen.bottom - bottom);
}

function Sort({ order, setOrder }: { order: Order; setOrder: (order: Order) => void }): ReactNode {
  return (
    <label className="sort">
      {t.queue.sort}
      <select
        value={order}
        onChange={(event) => {
          setOrder(ORDERS.find((name) => name === event.target.value) ?? "added");
        }}
      >
        {ORDERS.map((name) => (
          <option key={name} value={name}>
            {t.queue.orders[name]}
          </option>
        ))}
      </select>
    </label>
  );
}
