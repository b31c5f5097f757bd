import { wholePercent } from "../logic/format";
import { verdictWords } from "../logic/verdictWords";
import { type Item, isSettled, type Stage, triesOf } from "../state/queue";
import { locale, t } from "../strings";
import { FileImage } from "./FileImage";
import { Cross, Flag, VerdictMark } from "./icons";

interface Props {
  item: Item;
  chosen: boolean;
  choose: (key: number) => void;
  remove: (keys: readonly number[]) => void;
}

export function QueueEntry({ item, chosen, choose, remove }: Props) {
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
    case "done":
      return <Verdict of={stage} />;
  }
}

function Verdict({ of: { judged, answer } }: { of: Extract<Stage, { at: "done" }> }) {
  const { verdict: word, marks } = judged;
  if (word === null) return null;
  const { detail } = verdictWords(judged, t, locale);
  return (
    <>
      <span className="badge" data-standing={word}>
        <VerdictMark of={word} />
        {t.words[word]}
      </span>
      {detail && <span className="entry-share">{detail}</span>}
      {marks.length > 0 && (
        <span className="entry-marks">
          <Flag />
          {t.marks.count(marks.length)}
        </span>
      )}
      {answer && <span className="dim">{t.queue.answered(t.feedback[answer.verdict])}</span>}
    </>
  );
}
