import { type ReactNode, useEffect, useState } from "react";
import { HistoryEntry } from "../components/HistoryEntry";
import { ExportButtons } from "../components/ExportButtons";
import { ProblemNote } from "../components/ProblemNote";
import type { Filter } from "../logic/route";
import { useApp } from "../state/app";
import { useHistory } from "../state/useHistory";
import { replaceRoute } from "../state/useRoute";
import { t } from "../strings";

export function HistoryView({ filter }: { filter: Filter }) {
  const { model } = useApp();
  return (
    <div className="history">
      <h1 tabIndex={-1}>{t.history.heading}</h1>
      {model?.limits.keeps_history === false ? (
        <p className="dim">{t.history.off}</p>
      ) : (
        <>
          <Search filter={filter} />
          <Results filter={filter} />
          <ExportButtons />
        </>
      )}
    </div>
  );
}

function Search({ filter }: { filter: Filter }) {
  const [typed, setTyped] = useState(filter.query);
  useEffect(() => {
    if (typed === filter.query) return undefined;
    const timer = setTimeout(() => {
      search({ ...filter, query: typed });
    }, 250);
    return () => {
      clearTimeout(timer);
    };
  }, [typed, filter]);

  return (
    <form
      className="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        search({ ...filter, query: typed });
      }}
    >
      <label className="field">
        {t.history.search}
        <input
          type="search"
          placeholder={t.history.searchHint}
          maxLength={200}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
          }}
        />
      </label>
      <Choice
        label={t.history.verdict}
        value={filter.verdict}
        options={{ "": t.history.any, ...t.words }}
        choose={(verdict) => {
          search({ ...filter, query: typed, verdict });
        }}
      />
      <Choice
        label={t.history.feedback}
        value={filter.feedback}
        options={{
          "": t.history.any,
          right: t.feedback.right,
          wrong: t.feedback.wrong,
          unsure: t.feedback.unsure,
          none: t.history.noFeedback,
        }}
        choose={(feedback) => {
          search({ ...filter, query: typed, feedback });
        }}
      />
      <label className="check">
        <input
          type="checkbox"
          checked={filter.marked}
          onChange={(event) => {
            search({ ...filter, query: typed, marked: event.target.checked });
          }}
        />
        {t.groups.MARKS}
      </label>
    </form>
  );
}

function search(filter: Filter) {
  replaceRoute({ ...filter, view: "history" });
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: Record<T, string>;
  choose: (value: T) => void;
}

function Choice<T extends string>({ label, value, options, choose }: ChoiceProps<T>) {
  return (
    <label className="field">
      {label}
      <select
        value={value}
        onChange={(event) => {
          choose(event.target.value as T);
        }}
      >
        {Object.entries<string>(options).map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

function Results({ filter }: { filter: Filter }): ReactNode {
  const { announce } = useApp();
  const { items, more, problem, loading, loadMore } = useHistory(filter);
  const count = items.length;
  const words = loading
    ? t.loading
    : more
      ? t.history.foundMore(count)
      : count > 0
        ? t.history.found(count)
        : filter.query || filter.verdict || filter.marked || filter.feedback
          ? t.history.noMatch
          : t.history.empty;
  useEffect(() => {
    if (!loading && !problem) announce(words);
  }, [loading, problem, words, announce]);

  return (
    <>
      {problem ? <ProblemNote problem={problem} /> : <p className="dim">{words}</p>}
      <ul className="records">
        {items.map((item) => (
          <HistoryEntry key={item.id} item={item} />
        ))}
      </ul>
      {more && (
        <p className="actions">
          <button type="button" disabled={loading} onClick={loadMore}>
            {t.history.more}
          </button>
        </p>
      )}
    </>
  );
}
