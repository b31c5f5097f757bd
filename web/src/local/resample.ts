/**
 * Pillow's resampling, bit for bit: two passes with weights of 22 fractional bits, each rounded to 8 bits.
 * `tests/golden/resample.json` holds Pillow's own results, which the tests of this file and of Python both read.
 */

export type Filter = "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";
export type Box = readonly [number, number, number, number];

/** Four bytes a pixel, as a canvas gives them; the fourth is not looked at. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray | Uint8Array;
}

const FRACTION_BITS = 22;

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

const FILTERS: Record<Filter, { support: number; weight: (x: number) => number }> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (given) => {
      const x = Math.abs(given);
      if (x === 0) return 1;
      if (x >= 1) return 0;
      return (Math.sin(x * Math.PI) / (x * Math.PI)) * (0.54 + 0.46 * Math.cos(x * Math.PI));
    },
  },
  bicubic: {
    support: 2,
    weight: (given) => {
      const x = Math.abs(given);
      const a = -0.5;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** For each place of the result: where its weights begin, how many there are, and the weights in rows of `most`. */
interface Weights {
  starts: Int32Array;
  counts: Int32Array;
  most: number;
  values: Float64Array;
}

function weightsOf(length: number, from: number, to: number, size: number, filter: Filter): Weights {
  const { support: reach, weight } = FILTERS[filter];
  // Pillow takes the box in single precision.
  const [first, last] = [Math.fround(from), Math.fround(to)];
  const scale = Math.fround(last - first) / size;
  const stretch = Math.max(1, scale);
  const support = reach * stretch;
  const most = Math.ceil(support) * 2 + 1;
  const [starts, counts] = [new Int32Array(size), new Int32Array(size)];
  const values = new Float64Array(size * most);
  for (let place = 0; place < size; place++) {
    const centre = first + (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(length, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let at = 0; at < count; at++) {
      const value = weight((at + start - centre + 0.5) * (1 / stretch));
      values[place * most + at] = value;
      sum += value;
    }
    if (sum !== 0) for (let at = 0; at < count; at++) values[place * most + at] = at_(values, place * most + at) / sum;
    starts[place] = start;
    counts[place] = count;
  }
  return { starts, counts, most, values };
}

/** An element that is there. */
const at_ = (array: ArrayLike<number>, place: number) => array[place] as number;

function toFixed({ values }: Weights): Int32Array {
  const one = 2 ** FRACTION_BITS;
  return Int32Array.from(values, (value) => Math.trunc(value < 0 ? -0.5 + value * one : 0.5 + value * one));
}

/** `image.resize((width, height), filter, box=box)` of Pillow, for mode RGB. */
export function resize(image: Raster, width: number, height: number, filter: Filter, box?: Box): Raster {
  const [x0, y0, x1, y1] = (box ?? [0, 0, image.width, image.height]).map(Math.fround) as unknown as Box;
  const across = width !== image.width || x0 !== 0 || x1 !== width;
  const down = height !== image.height || y0 !== 0 || y1 !== height;
  if (!across && !down) return image;
  const vertical = weightsOf(image.height, y0, y1, height, filter);
  let source = image;
  let above = 0;
  if (across) {
    above = at_(vertical.starts, 0);
    const below = at_(vertical.starts, height - 1) + at_(vertical.counts, height - 1);
    const rows = down ? below - above : height;
    if (!down) above = 0;
    source = acrossRows(image, width, above, rows, weightsOf(image.width, x0, x1, width, filter));
  }
  return down ? downColumns(source, height, above, vertical) : source;
}

function acrossRows(image: Raster, width: number, above: number, rows: number, weights: Weights): Raster {
  const { starts, counts, most } = weights;
  const fixed = toFixed(weights);
  const from = image.data;
  const data = new Uint8ClampedArray(width * rows * 4);
  const half = 1 << (FRACTION_BITS - 1);
  for (let y = 0; y < rows; y++) {
    const row = (y + above) * image.width;
    for (let x = 0; x < width; x++) {
      let red = half;
      let green = half;
      let blue = half;
      let place = (row + (starts[x] as number)) * 4;
      const end = x * most + (counts[x] as number);
      for (let k = x * most; k < end; k++, place += 4) {
        const weight = fixed[k] as number;
        red += (from[place] as number) * weight;
        green += (from[place + 1] as number) * weight;
        blue += (from[place + 2] as number) * weight;
      }
      const to = (y * width + x) * 4;
      data[to] = red >> FRACTION_BITS;
      data[to + 1] = green >> FRACTION_BITS;
      data[to + 2] = blue >> FRACTION_BITS;
      data[to + 3] = 255;
    }
  }
  return { width, height: rows, data };
}

function downColumns(image: Raster, height: number, above: number, weights: Weights): Raster {
  const { starts, counts, most } = weights;
  const fixed = toFixed(weights);
  const from = image.data;
  const { width } = image;
  const data = new Uint8ClampedArray(width * height * 4);
  const half = 1 << (FRACTION_BITS - 1);
  for (let y = 0; y < height; y++) {
    const [start, count] = [at_(starts, y) - above, at_(counts, y)];
    for (let x = 0; x < width; x++) {
      let red = half;
      let green = half;
      let blue = half;
      let place = (start * width + x) * 4;
      for (let k = y * most; k < y * most + count; k++, place += 4 * width) {
        const weight = fixed[k] as number;
        red += (from[place] as number) * weight;
        green += (from[place + 1] as number) * weight;
        blue += (from[place + 2] as number) * weight;
      }
      const to = (y * width + x) * 4;
      data[to] = red >> FRACTION_BITS;
      data[to + 1] = green >> FRACTION_BITS;
      data[to + 2] = blue >> FRACTION_BITS;
      data[to + 3] = 255;
    }
  }
  return { width, height, data };
}

/** The mean of blocks of `across` x `down` pixels, as Pillow's `Image.reduce`; at the edges of what there is. */
export function reduce(image: Raster, across: number, down: number): Raster {
  if (across === 1 && down === 1) return image;
  const [width, height] = [Math.ceil(image.width / across), Math.ceil(image.height / down)];
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    const bottom = Math.min(image.height, (y + 1) * down);
    for (let x = 0; x < width; x++) {
      const right = Math.min(image.width, (x + 1) * across);
      const count = (bottom - y * down) * (right - x * across);
      const factor = Math.trunc(2 ** 24 / count);
      const half = Math.trunc(count / 2);
      const to = (y * width + x) * 4;
      for (let channel = 0; channel < 3; channel++) {
        let sum = half;
        for (let row = y * down; row < bottom; row++)
          for (let column = x * across; column < right; column++)
            sum += image.data[(row * image.width + column) * 4 + channel] as number;
        data[to + channel] = Math.floor((sum * factor) / 2 ** 24);
      }
      data[to + 3] = 255;
    }
  }
  return { width, height, data };
}

/** `image.resize((width, height), filter, reducing_gap=gap)` of Pillow: large images are reduced first. */
export function resizeLarge(image: Raster, width: number, height: number, filter: Filter, gap: number): Raster {
  const across = Math.trunc(image.width / width / gap) || 1;
  const down = Math.trunc(image.height / height / gap) || 1;
  if (across === 1 && down === 1) return resize(image, width, height, filter);
  const box: Box = [0, 0, image.width / across, image.height / down];
  return resize(reduce(image, across, down), width, height, filter, box);
}

/** Resizes numbers in rows of `width`, as Pillow does those of mode F. */
export function resizeNumbers(
  numbers: Float32Array,
  size: { width: number; height: number },
  width: number,
  height: number,
  filter: Filter,
): Float32Array {
  const pass = (from: Float32Array, length: number, lines: number, to: number, step: number, line: number) => {
    const { starts, counts, most, values } = weightsOf(length, 0, length, to, filter);
    const made = new Float32Array(to * lines);
    for (let place = 0; place < to; place++)
      for (let row = 0; row < lines; row++) {
        let sum = 0;
        for (let k = 0; k < at_(counts, place); k++)
          sum += at_(from, (at_(starts, place) + k) * step + row * line) * at_(values, place * most + k);
        made[step === 1 ? row * to + place : place * lines + row] = sum;
      }
    return made;
  };
  const wide = pass(numbers, size.width, size.height, width, 1, size.width);
  return pass(wide, size.height, width, height, width, 1);
}

/** Python's `round`: halves go to the even neighbour. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
