import { useApp } from "../state/app";
import { resultsAsCsv, resultsAsJson } from "../state/batch";
import { download } from "../state/download";
import { type Item, isSettled } from "../state/queue";
import { t } from "../strings";

/** The results of the whole queue, whatever is listed, as a file. */
export function ResultsDownload({ items }: { items: readonly Item[] }) {
  const { announce } = useApp();
  if (!items.some(isSettled)) return null;
  const save = (text: string, type: string, name: string) => {
    download(new Blob([text], { type }), name);
    announce(t.downloads.saved);
  };
  return (
    <p className="actions" role="group" aria-label={t.downloads.results}>
      <span className="dim">{t.downloads.results}</span>
      <button
        type="button"
        onClick={() => {
          save(resultsAsCsv(items), "text/csv", "unmask-results.csv");
        }}
      >
        {t.downloads.csv}
      </button>
      <button
        type="button"
        onClick={() => {
          save(resultsAsJson(items), "application/json", "unmask-results.json");
        }}
      >
        {t.downloads.json}
      </button>
    </p>
  );
}
