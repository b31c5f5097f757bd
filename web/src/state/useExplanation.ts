import { useCallback, useEffect, useState } from "react";
import type { Problem } from "../api/problem";
import { asProblem } from "../api/problem";
import type { Explanation } from "../api/types";
import { useApp } from "./app";
import { explainOnce, knownExplanation } from "./explanations";

export interface ImageFile {
  file: Blob;
  name: string;
}

/** The explanation of an image. */
export interface Explained {
  at: "none" | "wanted" | "loading" | "ready" | "failed";
  /** Null until it is ready. */
  explanation: Explanation | null;
  problem: Problem | null;
  /** Load it now, also after a failure. */
  want: () => void;
}

/** Who pages through many images does not have each one explained. */
const DWELL_MS = 600;

type Found = { explanation: Explanation } | { problem: Problem } | null;

/**
 * Explains an image once it has been shown for a moment, or at once when its explanation is wanted.
 *
 * @param image null if its bytes were not kept.
 * @param soon whether to explain it without being asked.
 */
export function useExplanation(image: ImageFile | null, soon: boolean): Explained {
  const { client, tokenVersion, askForToken } = useApp();
  const [wanted, setWanted] = useState(0);
  const [started, setStarted] = useState(false);
  const [found, setFound] = useState<Found>(() => {
    const earlier = image && knownExplanation(image.file);
    return earlier && { explanation: earlier };
  });
  const { file, name } = image ?? { file: null, name: "" };
  const start = file !== null && (soon || wanted > 0);
  const known = found !== null && "explanation" in found;

  useEffect(() => {
    if (!start || known) return undefined;
    const stop = new AbortController();
    const load = () => {
      setStarted(true);
      explainOnce(client, file, name, stop.signal).then(
        (explanation) => {
          if (!stop.signal.aborted) setFound({ explanation });
        },
        (error: unknown) => {
          if (stop.signal.aborted) return;
          const problem = asProblem(error);
          if (problem.status === 401) askForToken();
          setFound({ problem });
        },
      );
    };
    const timer = setTimeout(load, wanted > 0 ? 0 : DWELL_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
    // After a failure, `wanted` changes when the user asks for another try, and the token when there is another.
  }, [start, known, wanted, client, file, name, tokenVersion, askForToken]);

  const want = useCallback(() => {
    setFound((earlier) => (earlier !== null && "problem" in earlier ? null : earlier));
    setWanted((count) => count + 1);
  }, []);

  const explanation = found !== null && "explanation" in found ? found.explanation : null;
  const problem = found !== null && "problem" in found ? found.problem : null;
  const at = file === null ? "none" : explanation ? "ready" : problem ? "failed" : started ? "loading" : "wanted";
  return { at, explanation, problem, want };
}
