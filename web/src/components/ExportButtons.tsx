import { useApp } from "../state/app";
import { download } from "../state/download";
import { useAttempt } from "../state/useAttempt";
import { t } from "../strings";
import { ProblemNote } from "./ProblemNote";

export function ExportButtons() {
  const { client, announce } = useApp();
  const { problem, attempt } = useAttempt();

  const save = (rows: "all" | "labelled") =>
    attempt(async () => {
      download(await client.exportHistory(rows), `unmask-${rows}.csv`);
      announce(t.history.exported);
    });

  return (
    <section className="export">
      <h2>{t.history.export}</h2>
      <p className="dim">{t.history.exportNote}</p>
      <p className="actions">
        <button type="button" onClick={() => void save("all")}>
          {t.history.exportAll}
        </button>
        <button type="button" onClick={() => void save("labelled")}>
          {t.history.exportLabelled}
        </button>
      </p>
      {problem && <ProblemNote problem={problem} />}
    </section>
  );
}
