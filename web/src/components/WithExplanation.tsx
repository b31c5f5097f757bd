import { type ReactNode, useEffect, useState } from "react";
import type { Explanation } from "../api/types";
import { useApp } from "../state/app";
import { explainOnce } from "../state/explanations";
import { useLoaded } from "../state/useLoaded";
import { t } from "../strings";
import { ProblemNote } from "./ProblemNote";

export interface ImageFile {
  file: Blob;
  name: string;
}

interface Props {
  image: ImageFile | null;
  children: (explanation: Explanation) => ReactNode;
}

/** Shows content that needs an explanation, or the state of loading it. */
export function WithExplanation({ image, children }: Props) {
  if (image === null) return <p className="dim">{t.explanation.needsImage}</p>;
  return <LoadExplanation image={image}>{children}</LoadExplanation>;
}

function LoadExplanation({ image: { file, name }, children }: Props & { image: ImageFile }) {
  const { client, announce } = useApp();
  const [attempt, setAttempt] = useState(0);
  const loaded = useLoaded(String(attempt), () => explainOnce(client, file, name));
  useEffect(() => {
    if (loaded.at === "ready") announce(t.explanation.ready);
  }, [loaded.at, announce]);

  if (loaded.at === "loading") return <p className="busy">{t.explanation.loading}</p>;
  if (loaded.at === "failed") {
    return (
      <ProblemNote
        problem={loaded.problem}
        retry={() => {
          setAttempt(attempt + 1);
        }}
      />
    );
  }
  return children(loaded.value);
}
