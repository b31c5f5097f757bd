import type { HistoryItem } from "../api/types";
import { dateTime, percent } from "../logic/format";
import { standing } from "../logic/meaning";
import { addressOf } from "../logic/route";
import { language, t } from "../strings";
import { VerdictMark } from "./marks";

export function HistoryEntry({ item }: { item: HistoryItem }) {
  const answer = standing(item) ?? item.result;
  return (
    <li>
      <span className="badge" data-standing={answer}>
        <VerdictMark of={answer} />
        {t.verdict[answer]}
      </span>
      <a href={addressOf({ view: "record", id: item.id })}>{item.filename || t.history.unnamed}</a>
      <span className="record-share">{percent(item.fake_probability, language, 1)}</span>
      <span className="record-feedback">
        {item.feedback && t.feedback[item.feedback.verdict]}
        {item.feedback?.note && <span className="dim"> {item.feedback.note}</span>}
      </span>
      <time className="dim" dateTime={item.time}>
        {dateTime(item.time, language)}
      </time>
    </li>
  );
}
