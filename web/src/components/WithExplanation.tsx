import { type ReactNode, useEffect, useRef } from "react";
import type { Explanation } from "../api/types";
import { useApp } from "../state/app";
import type { Explained } from "../state/useExplanation";
import { t } from "../strings";
import { ProblemNote } from "./ProblemNote";

interface Props {
  of: Explained;
  children: (explanation: Explanation) => ReactNode;
}

/** Shows content that needs an explanation, or the state of loading it. */
export function WithExplanation({ of: { at, explanation, problem, want }, children }: Props) {
  const { announce } = useApp();
  const asked = useRef(false);
  useEffect(() => {
    if (at === "ready" && asked.current) announce(t.explanation.ready);
    asked.current = at === "wanted" || at === "loading";
    if (at === "wanted") want();
  }, [at, want, announce]);

  if (at === "none") return <p className="dim">{t.explanation.needsImage}</p>;
  if (problem) return <ProblemNote problem={problem} retry={want} />;
  if (explanation === null) return <p className="busy">{t.explanation.loading}</p>;
  return children(explanation);
}
