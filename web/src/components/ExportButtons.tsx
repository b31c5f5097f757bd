import { useState } from "react";
import { asProblem, type Problem } from "../api/problem";
import { useApp } from "../state/app";
import { t } from "../strings";
import { ProblemNote } from "./ProblemNote";

export function ExportButtons() {
  const { client, announce, askForToken } = useApp();
  const [problem, setProblem] = useState<Problem | null>(null);

  const save = async (rows: "all" | "labelled") => {
    setProblem(null);
    try {
      download(await client.exportHistory(rows), `unmask-${rows}.csv`);
      announce(t.history.exported);
    } catch (caught) {
      const found = asProblem(caught);
      if (found.status === 401) askForToken();
      setProblem(found);
    }
  };

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

function download(content: Blob, name: string) {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken hold of the content by the next minute.
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}
