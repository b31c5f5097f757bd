/**
 * What a file says of its own making, for the marks that need no parser: see `unmask.imaging.provenance` and
 * docs/browser.md, which lists what only Python reads. Every sentence comes from a fixed vocabulary.
 */

import type { Mark, Verdict } from "../api/types";
import { Exif } from "./exif";
import { asText, type Block } from "./file";

const MAX_TEXT = 2 ** 20;

// Names that are everyday words too need a maker or a version with them.
const GENERATORS: readonly (readonly [string, string])[] = [
  ..."AUTOMATIC1111 Artbreeder ChatGPT ComfyUI Craiyon DeepFaceLab DiffusionBee DreamStudio FaceApp FaceFusion Fooocus"
    .concat(" Ideogram Midjourney NightCafe NovelAI Reface")
    .split(" ")
    .map((name) => [name, name] as const),
  ["Adobe Firefly", "adobe[ _-]firefly"],
  ["DALL-E", "dall[-·•∙\ufffd]e|dall[- ]?e[- ]?[23]"],
  ["Flux", "flux(?:[ ._-]?[12])?"],
  ["Imagen", "google imagen|imagen[ -]?[1-4]|^imagen$"],
  ["InvokeAI", "invoke[ -]?ai"],
  ["Leonardo.Ai", "leonardo[. ]ai"],
  ["Stable Diffusion", "stable[ _-]?diffusion"],
  ["StyleGAN", "stylegan[23]?"],
  ["SwarmUI", "(?:stable)?swarmui"],
];

const SETTINGS: Record<string, string> = {
  "png:parameters": "AUTOMATIC1111 and Forge write them",
  "exif:UserComment": "AUTOMATIC1111 and Forge write them",
  "png:prompt": "ComfyUI writes them",
  "png:workflow": "ComfyUI writes them",
  "png:Dream": "InvokeAI writes them",
  "png:sd-metadata": "InvokeAI writes them",
  "png:invokeai_metadata": "InvokeAI writes them",
  "png:generation_data": "hosted generators write them",
};

const SOURCE_TYPES: Record<string, string> = {
  trainedAlgorithmicMedia: "was made by a trained algorithm (generative AI).",
  compositeWithTrainedAlgorithmicMedia: "is a composite: a trained algorithm (generative AI) made parts of it.",
  compositeSynthetic: "is a composite with at least one synthetic part.",
  trainedAlgorithmicData: "holds data that a trained algorithm made.",
  algorithmicMedia: "was made by an algorithm without training data.",
};

const XMP_VALUE = "(?:\\s{1,64}rdf:resource)?(?:\\s{0,64}=\\s{0,64}[\"']|\\s{0,64}>)\\s{0,64}";
const TYPES = Object.keys(SOURCE_TYPES).join("|");
const SOURCE_TYPE = new RegExp(
  `\\bDigitalSourceType${XMP_VALUE}(?:https?://(?:cv\\.iptc\\.org/newscodes|c2pa\\.org)/digitalsourcetype/)?(${TYPES})(?!\\w)`,
  "g",
);
const ADDRESS = new RegExp(`digitalsourcetype/(${TYPES})(?!\\w)`, "g");
const CREATOR_TOOL = new RegExp(`\\bCreatorTool${XMP_VALUE}([^"'<]{1,256})`, "g");
const REMOTE = new RegExp(`\\bdcterms:provenance${XMP_VALUE}https?://`);

export interface Marked {
  marks: Mark[];
  provenance: NonNullable<Verdict["provenance"]>;
}

export function readMarks(blocks: readonly Block[]): Marked {
  const tags = new Set<string>();
  let [present, remote] = [false, false];
  for (const { kind, body } of blocks) {
    if (kind === "jumbf") present ||= asText(body.subarray(0, 4096)).includes("c2pa");
    else if (kind === "exif") readExif(body, tags);
    else if (kind === "xmp") remote = readXmp(body, tags) || remote;
    else if (kind === "photoshop")
      for (const [, type] of textOf(body).matchAll(ADDRESS)) tags.add(`iptc:${type ?? ""}`);
    else if (kind === "text") remote = readPngText(body, tags) || remote;
  }
  const generator_tags = [...tags].sort();
  return {
    marks: marksOf(generator_tags),
    provenance: {
      c2pa: present ? "present" : "none",
      generator_tags,
      // Nothing here checks signatures.
      credentials_state: present ? "could not be checked" : remote ? "stored elsewhere" : "none",
    },
  };
}

export function marksOf(tags: readonly string[]): Mark[] {
  const found = new Map<string, Mark>();
  for (const tag of tags) {
    const [place = "", note = ""] = tag.split(/:(.*)/s, 2);
    const mark: Mark | null =
      SETTINGS[tag] !== undefined
        ? { kind: "settings", text: `The file holds settings of an image generator, as ${SETTINGS[tag]}.` }
        : place === "software"
          ? { kind: "generator", text: `The file names ${note} as its software.` }
          : SOURCE_TYPES[note] !== undefined
            ? { kind: "source_type", text: `The file's metadata say that the image ${SOURCE_TYPES[note]}` }
            : null;
    if (mark) found.set(mark.text, mark);
  }
  return [...found.values()];
}

const textOf = (bytes: Uint8Array) => asText(bytes.subarray(0, MAX_TEXT)).replaceAll("\0", "");

function readSoftware(name: string, tags: Set<string>): void {
  for (const [title, pattern] of GENERATORS)
    if (new RegExp(`(?<!\\w)(?:${pattern})(?!\\w)`, "i").test(name.slice(0, 256))) tags.add(`software:${title}`);
}

/** Returns whether content credentials are stored elsewhere. */
function readXmp(body: Uint8Array, tags: Set<string>): boolean {
  const text = textOf(body);
  for (const [, type] of text.matchAll(SOURCE_TYPE)) tags.add(`xmp:${type ?? ""}`);
  for (const [, tool] of text.matchAll(CREATOR_TOOL)) readSoftware(tool ?? "", tags);
  return REMOTE.test(text);
}

const PNG_KEYS = "parameters prompt workflow Dream sd-metadata invokeai_metadata generation_data".split(" ");

function readPngText(body: Uint8Array, tags: Set<string>): boolean {
  const end = body.indexOf(0);
  if (end < 0) return false;
  const key = asText(body.subarray(0, end));
  if (PNG_KEYS.includes(key)) tags.add(`png:${key}`);
  if (key === "Software") readSoftware(textOf(body.subarray(end + 1)), tags);
  return key === "XML:com.adobe.xmp" && readXmp(body.subarray(end + 1), tags);
}

function readExif(block: Uint8Array, tags: Set<string>): void {
  try {
    const exif = Exif.open(block);
    const software = exif?.bytes(0x0131);
    if (software) readSoftware(asText(software).split("\0")[0] ?? "", tags);
    const start = exif?.number(0x8769);
    if (!exif || start === null || start === undefined) return;
    const comment = textOf((exif.bytes(0x9286, start) ?? new Uint8Array()).subarray(8));
    if (comment.includes("Steps:") && comment.includes("Sampler:")) tags.add("exif:UserComment");
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // it ends early: what was found so far counts
  }
}
