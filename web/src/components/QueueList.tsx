import { type RefObject, useRef } from "react";
import { wholePercent } from "../logic/format";
import { standing } from "../logic/meaning";
import { verdictWords } from "../logic/verdictWords";
import { describe } from "../logic/problemWords";
import { type Item, isSettled, type Queue, type Stage, triesOf } from "../state/queue";
import { locale, t } from "../strings";
import { FileImage } from "./FileImage";
import { Cross, VerdictMark } from "./icons";

interface Props {
  queue: Queue;
  choose: (key: number) => void;
  remove: (keys: readonly number[]) => void;
}

export function QueueList({ queue, choose, remove }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { items, chosen } = queue;
  const done = items.filter(isSettled).length;
  const drop = (keys: readonly number[]) => {
    remove(keys);
    // The button that had the focus has been removed.
    heading.current?.focus();
  };
  return (
    <section className="queue">
      <Head heading={heading} done={done} all={items.length}>
        {items.length > 1 && (
          <button
            type="button"
            className="quiet"
            onClick={() => {
              drop(items.map(({ key }) => key));
            }}
          >
            {t.queue.clear}
          </button>
        )}
      </Head>
      <ol>
        {items.map((item) => (
          <Entry key={item.key} item={item} chosen={item.key === chosen} choose={choose} remove={drop} />
        ))}
      </ol>
    </section>
  );
}

interface HeadProps {
  heading: RefObject<HTMLHeadingElement | null>;
  done: number;
  all: number;
  children: React.ReactNode;
}

function Head({ heading, done, all, children }: HeadProps) {
  return (
    <div className="queue-head">
      <h2 ref={heading} tabIndex={-1}>
        {t.queue.heading}
      </h2>
      <span className="dim">{t.queue.counts(done, all)}</span>
      {children}
    </div>
  );
}

interface EntryProps {
  item: Item;
  chosen: boolean;
  choose: (key: number) => void;
  remove: (keys: readonly number[]) => void;
}

function Entry({ item, chosen, choose, remove }: EntryProps) {
  return (
    <li data-chosen={chosen}>
      <button
        type="button"
        className="entry"
        aria-current={chosen}
        onClick={() => {
          choose(item.key);
        }}
      >
        <span className="thumb">
          <FileImage file={item.file} alt="" loading="lazy" decoding="async" />
        </span>
        <span className="entry-words">
          <span className="entry-name">{item.name}</span>
          <Status stage={item.stage} />
        </span>
      </button>
      <button
        type="button"
        className="quiet icon"
        aria-label={t.queue.remove(item.name)}
        onClick={() => {
          remove([item.key]);
        }}
      >
        <Cross />
      </button>
      {!isSettled(item) && (
        <progress
          aria-label={t.queue.progress(item.name)}
          max={1}
          value={item.stage.at === "sending" ? item.stage.share : item.stage.at === "judging" ? undefined : 0}
        />
      )}
    </li>
  );
}

function Status({ stage }: { stage: Stage }) {
  switch (stage.at) {
    case "waiting":
      return <span className="dim">{triesOf(stage) > 0 ? t.queue.postponed : t.queue.waiting}</span>;
    case "sending":
      return <span className="dim">{t.queue.sending(wholePercent(stage.share, locale))}</span>;
    case "judging":
      return <span className="dim">{t.queue.judging}</span>;
    case "failed":
      return <span className="failed">{t.queue.failed}</span>;
    case "done": {
      const answer = standing(stage.judged);
      return (
        answer && (
          <span className="badge" data-standing={answer}>
            <VerdictMark of={answer} />
            {t.verdict[answer]}
          </span>
        )
      );
    }
  }
}

/** The announcement for an image that is done or failed. */
export function settledWords({ name, stage }: Item): string | null {
  if (stage.at === "failed") return t.queue.finished(name, describe(stage.problem, t).text);
  if (stage.at !== "done") return null;
  const { word, detail } = verdictWords(stage.judged, t, locale);
  return t.queue.finished(name, t.verdict.spoken(word, detail));
}
