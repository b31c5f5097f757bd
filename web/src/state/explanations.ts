/** Explanations take seconds, so each image is explained only once while the page is open. */

import type { Client } from "../api/client";
import type { Explanation } from "../api/types";

const known = new WeakMap<Blob, Promise<Explanation>>();

export function explainOnce(client: Client, file: Blob, name: string): Promise<Explanation> {
  const earlier = known.get(file);
  if (earlier) return earlier;
  const request = client.explain(file, name);
  known.set(file, request);
  request.catch(() => {
    known.delete(file);
  });
  return request;
}
