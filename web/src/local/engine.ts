/** The detector in the browser: from the bytes of a file to a verdict, in a worker. */

import * as ort from "onnxruntime-web/wasm";
import loaderUrl from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import type { Evidence, Judged } from "../api/types";
import { Problem } from "../api/problem";
import type { Facts } from "./bundle";
import { cropOf } from "./crop";
import { orientationOf, turnOf } from "./exif";
import { copyRgb, type Face, findFaces, type Look, VIEW_SIDE } from "./faces";
import { hasOtherColours, type ImageFacts, readFacts } from "./file";
import { readMarks } from "./marks";
import { overlayOf } from "./overlay";
import { type Raster, resize } from "./resample";
import { calibratedEvidence, judge, logistic, oddsOf, type Region } from "./verdict";

// Beyond four, such small networks gain nothing. Half of the cores stay for others: threads wait for each other busily.
const MOST_THREADS = 4;

export interface Engine {
  judge: (bytes: Uint8Array<ArrayBuffer>, name: string) => Promise<Judged>;
}

/** @param base address of the folder `detector`, with a slash at its end. */
export async function loadEngine(base: string): Promise<Engine> {
  ort.env.wasm.wasmPaths = {
    mjs: new URL(loaderUrl, self.location.href).href,
    wasm: new URL(wasmUrl, self.location.href).href,
  };
  // Threads need shared memory, which browsers allow only to pages with isolation headers.
  const cores = Math.floor(navigator.hardwareConcurrency / 2);
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.max(1, Math.min(MOST_THREADS, cores)) : 1;
  const [facts, model, finder] = await Promise.all([
    fetched(`${base}facts.json`).then((response) => response.json() as Promise<Facts>),
    session(`${base}model.onnx`),
    session(`${base}face_finder.onnx`),
  ]);
  const look: Look = async (pixels, count) => {
    const image = new ort.Tensor("uint8", pixels, [count, VIEW_SIDE, VIEW_SIDE, 3]);
    const { boxes, scores } = await finder.run({ image }, ["boxes", "scores"]);
    return { boxes: numbers(boxes), scores: numbers(scores) };
  };
  return { judge: (bytes, name) => judgeFile(bytes, name, facts, model, look) };
}

async function fetched(address: string): Promise<Response> {
  const response = await fetch(address).catch(() => {
    throw Problem.offline();
  });
  if (!response.ok) throw new Problem(response.status, "", "");
  return response;
}

const session = async (address: string) =>
  ort.InferenceSession.create(new Uint8Array(await (await fetched(address)).arrayBuffer()), {
    executionProviders: ["wasm"],
  });

const numbers = (tensor: ort.Tensor | undefined) => tensor?.data as Float32Array;

async function judgeFile(
  bytes: Uint8Array<ArrayBuffer>,
  filename: string,
  facts: Facts,
  model: ort.InferenceSession,
  look: Look,
): Promise<Judged> {
  const started = performance.now();
  const file = readFacts(bytes);
  const image = await decode(bytes, file);
  const { bundle, threshold } = facts;
  const policy = bundle.preprocessing.faces;
  const found = policy ? await findFaces(image, policy, look) : [];
  const regions = await ask(image, found.length > 0 ? found : [null], facts, model);
  const { verdict, result, probability, deciding, doubts } = judge(bundle, threshold, regions);
  const { marks, provenance } = readMarks(file.blocks);
  const unlike = bundle.out_of_distribution;
  const fields = {
    out_of_distribution:
      unlike && deciding.distance !== null
        ? {
            flagged: deciding.distance > unlike.threshold,
            distance: round(deciding.distance, 4),
            threshold: round(unlike.threshold, 4),
          }
        : null,
  };
  return {
    path: null,
    filename,
    id: null,
    verdict,
    fake_probability: round(probability),
    kinds: deciding.kinds,
    result,
    confidence: round(Math.max(50, 100 * (result === "FAKE" ? probability : 1 - probability)), 2),
    uncertain: verdict === "UNCERTAIN" || verdict === "NO_FACE",
    face_found: found.length > 0,
    faces: regions.flatMap(({ face, probability }) =>
      face
        ? [
            {
              box: face.box.map((edge) => round(edge, 1)) as [number, number, number, number],
              fake_probability: round(probability),
            },
          ]
        : [],
    ),
    marks,
    notes: doubts,
    sha256: await sha256(bytes),
    provenance,
    model: facts.model,
    bundle_sha256: facts.bundle_sha256,
    ms: round(performance.now() - started, 1),
    error: null,
    evidence: verdict === "NO_FACE" ? [] : await drawn(regions),
    ...fields,
  };
}

const round = (value: number, digits = 6) => Number(value.toFixed(digits));

/** The upright image in sRGB, over mid grey where it is transparent. */
async function decode(bytes: Uint8Array<ArrayBuffer>, file: ImageFacts): Promise<Raster> {
  const orientation = orientationOf(file);
  // No browser looks at XMP, and not all of them look at EXIF in WebP. EXIF of JPEG and PNG they all apply.
  const ours = orientation !== null && (orientation.exif === null || file.format === "WEBP");
  const content = ours && orientation.exif ? blanked(bytes, orientation.exif) : bytes;
  const bitmap = await createImageBitmap(new Blob([content], { type: `image/${file.format.toLowerCase()}` }), {
    imageOrientation: "from-image",
    // Pixels of sRGB, and of files that do not say, are taken as they are.
    colorSpaceConversion: hasOtherColours(file) ? "default" : "none",
  }).catch(() => {
    throw new Problem(422, "corrupt", "");
  });
  const turn = ours ? turnOf(orientation.value, bitmap.width, bitmap.height) : null;
  const sideways = turn !== null && turn[0] === 0;
  const [width, height] = sideways ? [bitmap.height, bitmap.width] : [bitmap.width, bitmap.height];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Problem(422, "out_of_memory", "");
  context.fillStyle = "rgb(128 128 128)";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  if (turn) context.setTransform(...turn);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

/** A copy of a file without what one of its parts says. */
function blanked(bytes: Uint8Array<ArrayBuffer>, part: Uint8Array): Uint8Array<ArrayBuffer> {
  const start = part.byteOffset - bytes.byteOffset;
  return bytes.slice().fill(0, start, start + part.length);
}

/** What the network says of each face, or of the whole image. */
async function ask(
  image: Raster,
  faces: readonly (Face | null)[],
  { bundle }: Facts,
  model: ort.InferenceSession,
): Promise<Region[]> {
  const { preprocessing, calibration, questions = [] } = bundle;
  const { size } = preprocessing;
  const pixels = new Uint8Array(faces.length * size * size * 3);
  const crops = faces.map((face, place) => {
    const crop = cropOf(face, image, preprocessing);
    const rendered = resize(image, size, size, preprocessing.resample, crop);
    copyRgb(rendered, pixels.subarray(place * size * size * 3), size);
    return crop;
  });
  const answers = await model.run({ pixels: new ort.Tensor("uint8", pixels, [faces.length, size, size, 3]) });
  const { logit, evidence, distance, questions: kinds } = answers;
  const [, height = 1, width = 1] = evidence?.dims ?? [];
  return crops.map((crop, place) => {
    const value = numbers(logit)[place] ?? NaN;
    // A NaN is below every threshold: it would call the image real.
    if (!Number.isFinite(value)) throw new Error("the network's output is not finite");
    const cells = numbers(evidence).slice(place * width * height, (place + 1) * width * height);
    return {
      crop,
      face: faces[place] ?? null,
      logit: value,
      probability: logistic(oddsOf(calibration, value)),
      evidence: { cells: calibratedEvidence(calibration, cells, value), width, height },
      distance: distance ? (numbers(distance)[place] ?? null) : null,
      kinds:
        kinds && questions.length > 0
          ? Object.fromEntries(
              questions.map(({ name, calibration: of }, at) => [
                name,
                round(logistic(oddsOf(of, numbers(kinds)[place * questions.length + at] ?? NaN))),
              ]),
            )
          : null,
    };
  });
}

async function drawn(regions: readonly Region[]): Promise<Evidence[]> {
  const mapped = regions.filter(({ evidence }) => evidence.cells.length > 1);
  return Promise.all(
    mapped.map(async (region) => {
      const overlay = overlayOf(region);
      const canvas = new OffscreenCanvas(overlay.width, overlay.height);
      canvas.getContext("2d")?.putImageData(overlay, 0, 0);
      const png = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
      const text = Array.from(png, (byte) => String.fromCharCode(byte)).join("");
      return { box: [...region.crop] as Evidence["box"], png: `data:image/png;base64,${btoa(text)}` };
    }),
  );
}

/** Of the file, where the browser has the means: only pages from https or this machine do. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string | null> {
  if (!self.isSecureContext) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
