/** Explanations take seconds, so each image is explained only once while the page is open. */

import type { Client } from "../api/client";
import type { Explanation } from "../api/types";

const known = new WeakMap<Blob, Explanation>();

export const knownExplanation = (file: Blob): Explanation | null => known.get(file) ?? null;

export async function explainOnce(client: Client, file: Blob, name: string, signal: AbortSignal): Promise<Explanation> {
  const earlier = known.get(file);
  if (earlier) return earlier;
  const explanation = await client.explain(file, name, signal);
  known.set(file, explanation);
  return explanation;
}
