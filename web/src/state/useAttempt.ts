import { useState } from "react";
import { asProblem, type Problem } from "../api/problem";
import { useApp } from "./app";

/** What a reader asked for once: keeps the problem if it did not work, and asks for a token where that is why. */
export function useAttempt() {
  const { askForToken } = useApp();
  const [problem, setProblem] = useState<Problem | null>(null);

  /** Whether it worked. */
  const attempt = async (action: () => Promise<void>): Promise<boolean> => {
    setProblem(null);
    try {
      await action();
      return true;
    } catch (caught) {
      const found = asProblem(caught);
      if (found.status === 401) askForToken();
      setProblem(found);
      return false;
    }
  };

  return { problem, attempt };
}
