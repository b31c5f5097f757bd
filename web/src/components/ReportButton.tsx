import { useState } from "react";
import { useApp } from "../state/app";
import { download } from "../state/download";
import { useAttempt } from "../state/useAttempt";
import type { ImageFile } from "../state/useExplanation";
import { t } from "../strings";
import { ProblemNote } from "./ProblemNote";

/** Saves the report on an image, which has a button of its own to make a PDF. */
export function ReportButton({ image: { file, name }, sha256 }: { image: ImageFile; sha256: string | null }) {
  const { client, announce } = useApp();
  const { problem, attempt } = useAttempt();
  const [state, setState] = useState<"idle" | "writing" | "saved">("idle");

  const save = async () => {
    setState("writing");
    const worked = await attempt(async () => {
      // As the service names it: no text of the file is in the name.
      download(await client.report(file, name), `unmask-report-${(sha256 ?? "image").slice(0, 12)}.html`);
      announce(t.report.saved);
    });
    setState(worked ? "saved" : "idle");
  };

  return (
    <section className="report">
      <p className="actions">
        <button type="button" disabled={state === "writing"} onClick={() => void save()}>
          {t.report.save}
        </button>
        {state === "writing" && <span className="busy">{t.report.writing}</span>}
        {state === "saved" && <span className="done">{t.report.saved}</span>}
      </p>
      <p className="dim">{t.report.note}</p>
      {problem && <ProblemNote problem={problem} />}
    </section>
  );
}
