import type { Answer, Evidence, Verdict } from "../api/types";
import { t } from "../strings";
import { FeedbackForm } from "./FeedbackForm";
import { OriginPanel } from "./OriginPanel";
import { ImageFigure } from "./ImageFigure";
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
  evidence?: readonly Evidence[] | null;
  /** Identifier of the record in the history; null without a record. */
  id: string | null;
  given: Answer | null;
  answered?: (answer: Answer) => void;
  sha256?: string | null;
  time?: string | null;
}

/** Everything about one checked image. */
export function Result({
  name,
  verdict,
  file,
  evidence = null,
  id,
  given,
  answered,
  sha256 = null,
  time = null,
}: Props) {
  const image = file && { file, name };
  return (
    <>
      <div className="result">
        <ImageFigure name={name} file={file} faces={verdict.faces} evidence={evidence} />
        <div className="result-words">
          <VerdictPanel verdict={verdict} />
          {id === null ? (
            <p className="dim">{t.feedback.none}</p>
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
          { name: "words", title: t.tabs.words, content: () => <WordsPanel image={image} /> },
          { name: "views", title: t.tabs.views, content: () => <ViewsPanel image={image} /> },
          {
            name: "origin",
            title: t.tabs.origin,
            content: () => <OriginPanel provenance={verdict.provenance} image={image} />,
          },
        ]}
      />
    </>
  );
}
