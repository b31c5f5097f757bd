/** Checking clips. */

import { plurals } from "../plurals";

const many = plurals("en");

export const clips = {
  clips: {
    question: "Is this clip a recording?",
    lead: "unmask judges frames spread over the clip, follows each face, and shows when it looks manipulated.",
    drop: "Drop clips here",
    orPaste: "or choose files",
    choose: "Choose clips",
    formats: "MP4, MOV, WebM, MKV or AVI.",
    limits: (size: string, minutes: number) => `Up to ${size} and ${many(minutes, "1 minute", "# minutes")} each.`,
    kept: "Clips go only to this service. It keeps the verdict, and the clip only if set up to.",
    keptNothing: "Clips go only to this service, which keeps the verdict for an hour and the clip not at all.",
    none: "No clip found in what you added. Images are checked under “Check images”.",
    off: "This service accepts no clips.",

    heading: "Clips",
    unnamed: "Unnamed clip",
    sending: "Sending the clip.",
    reading: "Reading",
    waiting: "Waiting",
    behind: (count: number) => `Waiting behind ${many(count, "1 clip", "# clips")}`,
    running: "Checking",
    frameOf: (judged: number, total: number) => `Checking, frame ${judged} of ${total}`,
    done: "Done",
    failed: "Failed",
    cancelled: "Cancelled",
    cancel: "Cancel",
    cancelOf: (name: string) => `Cancel ${name}`,
    removed: (name: string) => `${name} was removed.`,

    player: (name: string) => `The clip ${name}`,
    noPreview: "This browser cannot play the clip, but the service has read it.",
    notHere: "The clip is not stored. Open its file to see it with its timeline.",
    open: "Open the file",
    otherFile: "This is another file: its size is not that of the clip.",

    noFace: "No face was found in any frame. The detector was made for faces, so it cannot judge this clip.",
    noSign: "The detector found no sign of manipulation. That is not a proof that the clip is real.",
    deciding: (count: number) =>
      count === 1
        ? "The verdict is that of the one face in the clip."
        : `Of the ${count} tracks, the most suspicious of the long and large ones decides the verdict.`,
    frameByFrame: (frames: number) =>
      `${many(frames, "1 frame was", "# frames were")} judged, each as an image; what happens between them was not.`,
    unlike:
      "Most frames are unlike the images that the detector was trained on, so the verdict is more likely to be wrong.",

    timeline: "Timeline",
    timelineNote:
      "The probability of fake of each frame, from 0 at the bottom to 100 % at the top; the dashed line is the " +
      "threshold. Press a timeline to go there, or use the arrow keys; the space bar plays and pauses.",
    timelineOf: (track: string) => `Timeline of ${track}`,
    track: (number: number) => `Track ${number}`,
    decides: "decides",
    frameWords: (time: string, percent: string) => `${time}: ${percent} probability of fake`,
    noFrame: (time: string) => `${time}: no frame of this track`,
    framesTable: "All frames as a table",

    tracks: "Tracks",
    trackHead: "Track",
    from: "From",
    to: "To",
    time: "Time",
    frames: "Frames",
    duration: "Length",
    framesJudged: "Frames judged",
    codec: "Format",
    size: "Size",
    perSecond: "frames per second",
    encoder: "Written by",
    bytes: "File size",
    sha256: "Hash of the clip",
    seconds: (count: string) => `${count} s`,
  },
};
