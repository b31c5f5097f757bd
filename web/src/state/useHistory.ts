import { useState } from "react";
import type { HistoryItem, HistoryPage } from "../api/types";
import { addressOf, type Filter } from "../logic/route";
import { useApp } from "./app";
import { useAttempt } from "./useAttempt";
import { useLoaded } from "./useLoaded";

interface LaterPages {
  /** The first page, which these follow. */
  after: HistoryPage;
  items: readonly HistoryItem[];
  next: string | null;
}

/** The records that match a filter, page by page. */
export function useHistory(filter: Filter) {
  const { client } = useApp();
  const { problem, attempt } = useAttempt();
  const loaded = useLoaded(addressOf({ view: "history", ...filter }), (signal) => client.history(filter, null, signal));
  const [laterPages, setLaterPages] = useState<LaterPages | null>(null);
  const [loading, setLoading] = useState(false);

  const first = loaded.at === "ready" ? loaded.value : null;
  // Pages that follow another first page belong to another filter.
  const rest = laterPages?.after === first ? laterPages : null;
  const next = rest ? rest.next : (first?.next ?? null);

  const loadMore = async () => {
    if (first === null || next === null) return;
    setLoading(true);
    await attempt(async () => {
      const page = await client.history(filter, next);
      setLaterPages({ after: first, items: [...(rest?.items ?? []), ...page.items], next: page.next });
    });
    setLoading(false);
  };

  return {
    items: [...(first?.items ?? []), ...(rest?.items ?? [])],
    more: next !== null,
    problem: loaded.at === "failed" ? loaded.problem : problem,
    loading: loaded.at === "loading" || loading,
    loadMore: () => void loadMore(),
  };
}
