import { useState } from "react";
import { asProblem, type Problem } from "../api/problem";
import { useApp } from "./app";

/** Runs an action of the user: keeps the problem if it fails, and asks for a token if one is missing. */
export function useAttempt() {
  const { askForToken } = useApp();
  const [problem, setProblem] = useState<Problem | null>(null);

  /** Returns whether the action succeeded. */
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
