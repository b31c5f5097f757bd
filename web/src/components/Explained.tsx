import { type ReactNode, useEffect, useState } from "react";
import type { Explanation } from "../api/types";
import { useApp } from "../state/app";
import { explainOnce } from "../state/explanations";
import { useLoaded } from "../state/useLoaded";
import { t } from "../strings";
import { ProblemNote } from "./ProblemNote";

export interface Picture {
  file: Blob;
  name: string;
}

interface Props {
  picture: Picture | null;
  children: (explanation: Explanation) => ReactNode;
}

/** What needs the explanation of a picture, with what there is to say until it is there. */
export function Explained({ picture, children }: Props) {
  if (picture === null) return <p className="dim">{t.explanation.needsPicture}</p>;
  return <Asked picture={picture}>{children}</Asked>;
}

function Asked({ picture: { file, name }, children }: Props & { picture: Picture }) {
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
