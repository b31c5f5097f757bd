import type { HistoryItem } from "../api/types";
import { dateTime } from "../logic/format";
import { addressOf } from "../logic/route";
import { verdictWords } from "../logic/verdictWords";
import { locale, t } from "../strings";
import { Flag, VerdictMark } from "./icons";

export function HistoryEntry({ item }: { item: HistoryItem }) {
  const { verdict: word } = item;
  return (
    <li>
      <span className="thumb">
        {item.thumbnail && <img src={item.thumbnail} alt="" loading="lazy" decoding="async" />}
      </span>
      <span className="badge" data-standing={word}>
        <VerdictMark of={word} />
        {t.words[word]}
      </span>
      <a href={addressOf({ view: "record", id: item.id })}>{item.filename || t.history.unnamed}</a>
      <span className="record-share">
        {verdictWords(item, t, locale).detail}
        {item.marks.length > 0 && (
          <span className="entry-marks">
            <Flag />
            {t.marks.count(item.marks.length)}
          </span>
        )}
      </span>
      <span className="record-feedback">
        {item.feedback && t.feedback[item.feedback.verdict]}
        {item.feedback?.note && <span className="dim"> {item.feedback.note}</span>}
      </span>
      <time className="dim" dateTime={item.time}>
        {dateTime(item.time, locale)}
      </time>
    </li>
  );
}
