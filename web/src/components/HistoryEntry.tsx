import type { HistoryItem } from "../api/types";
import { dateTime } from "../logic/format";
import { standing } from "../logic/meaning";
import { addressOf } from "../logic/route";
import { verdictWords } from "../logic/verdictWords";
import { locale, t } from "../strings";
import { VerdictMark } from "./icons";

export function HistoryEntry({ item }: { item: HistoryItem }) {
  const answer = standing(item) ?? item.result;
  return (
    <li>
      <span className="badge" data-standing={answer}>
        <VerdictMark of={answer} />
        {t.verdict[answer]}
      </span>
      <a href={addressOf({ view: "record", id: item.id })}>{item.filename || t.history.unnamed}</a>
      <span className="record-share">{verdictWords(item, t, locale).detail}</span>
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
