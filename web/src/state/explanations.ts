/** Explanations take seconds, so each image is explained once as long as the page is open. */

import type { Client } from "../api/client";
import type { Explanation } from "../api/types";

const known = new WeakMap<Blob, Promise<Explanation>>();

export function explainOnce(client: Client, file: Blob, name: string): Promise<Explanation> {
  const earlier = known.get(file);
  if (earlier) return earlier;
  const asked = client.explain(file, name);
  known.set(file, asked);
  asked.catch(() => {
    known.delete(file);
  });
  return asked;
}
