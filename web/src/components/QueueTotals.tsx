import { type Group, GROUPS, totals } from "../state/arrange";
import type { Item } from "../state/queue";
import { locale, t } from "../strings";

interface Props {
  items: readonly Item[];
  filter: Group | null;
  setFilter: (filter: Group | null) => void;
}

/** The number of images in each group; pressing one lists only its images. */
export function QueueTotals({ items, filter, setFilter }: Props) {
  const counts = totals(items);
  const present = GROUPS.filter((group) => counts[group] > 0 || group === filter);
  const number = new Intl.NumberFormat(locale);
  return (
    <div className="totals" role="group" aria-label={t.queue.totals}>
      {[null, ...present].map((group) => (
        <button
          key={group}
          type="button"
          aria-pressed={group === filter}
          data-standing={group}
          onClick={() => {
            setFilter(group);
          }}
        >
          {group === null ? t.queue.all : t.groups[group]}{" "}
          <strong>{number.format(group === null ? items.length : counts[group])}</strong>
        </button>
      ))}
    </div>
  );
}
