import type { Answer, Evidence, Verdict } from "../api/types";
import { local } from "../local/mode";
import { useExplanation } from "../state/useExplanation";
import { t } from "../strings";
import { FeedbackForm } from "./FeedbackForm";
import { ImageFigure } from "./ImageFigure";
import { OriginPanel } from "./OriginPanel";
import { Reasons } from "./Reasons";
import { ReportButton } from "./ReportButton";
import { SummaryPanel } from "./SummaryPanel";
import { Tabs } from "./Tabs";
import { VerdictPanel } from "./VerdictPanel";
import { ViewsPanel } from "./ViewsPanel";
import { WordsPanel } from "./WordsPanel";

interface Props {
  name: string;
  verdict: Verdict;
  /** The image's bytes; null if they were not kept. */
  file: Blob | null;
  evidence: readonly Evidence[] | null;
  /** Identifier of the record in the history; null without a record. */
  id: string | null;
  given: Answer | null;
  answered?: (answer: Answer) => void;
  sha256: string | null;
  time?: string | null;
}

/** Everything about one checked image. */
export function Result({ name, verdict, file, evidence, id, given, answered, sha256, time = null }: Props) {
  const faceless = verdict.verdict === "NO_FACE";
  const image = file && { file, name };
  const explained = useExplanation(local ? null : image, !faceless);
  return (
    <>
      <div className="result">
        <ImageFigure
          name={name}
          file={file}
          faces={verdict.faces}
          // Without a face, a map shows nothing.
          evidence={faceless ? null : evidence}
          reliable={explained.explanation?.evidence.reliable ?? null}
        />
        <div className="result-words">
          <VerdictPanel verdict={verdict}>{!faceless && !local && <Reasons explained={explained} />}</VerdictPanel>
          {image && !local && <ReportButton image={image} sha256={sha256} />}
          {id === null ? (
            <p className="dim">{local ? t.local.noExplanation : t.feedback.none}</p>
          ) : (
            <FeedbackForm id={id} given={given} saved={answered} />
          )}
        </div>
      </div>
      <Tabs
        label={t.tabs.label}
        tabs={[
          {
            name: "summary",
            title: t.tabs.summary,
            content: () => <SummaryPanel verdict={verdict} sha256={sha256} time={time} />,
          },
          ...(local
            ? []
            : [
                { name: "words", title: t.tabs.words, content: () => <WordsPanel explained={explained} /> },
                { name: "views", title: t.tabs.views, content: () => <ViewsPanel explained={explained} /> },
              ]),
          {
            name: "origin",
            title: t.tabs.origin,
            content: () => <OriginPanel provenance={verdict.provenance} explained={local ? null : explained} />,
          },
        ]}
      />
    </>
  );
}
