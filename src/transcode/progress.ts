/** How an encoder fares, as ffmpeg tells it on `-progress`. NaN is not used: what is not known is undefined. */
export interface EncoderProgress {
  /** Pictures put out since the start. */
  readonly frames: number | undefined
  /** Pictures a second. */
  readonly fps: number | undefined
  /** 1 is real time. */
  readonly speed: number | undefined
  readonly bitsPerSecond: number | undefined
  readonly droppedFrames: number | undefined
  readonly duplicatedFrames: number | undefined
  /** Media put out, in milliseconds. */
  readonly mediaMs: number | undefined
}

const LINE_CHARACTERS_MAX = 1_024
const LINES_MAX = 128

/** Reads what ffmpeg writes to its `-progress` pipe: lines of `key=value` in blocks that `progress=` ends. */
export class ProgressReader {
  readonly #onProgress: (progress: EncoderProgress) => void
  #rest = ''
  #values = new Map<string, string>()

  constructor(onProgress: (progress: EncoderProgress) => void) {
    this.#onProgress = onProgress
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = (lines.pop() ?? '').slice(-LINE_CHARACTERS_MAX)
    for (const line of lines) this.#take(line.trim())
  }

  #take(line: string): void {
    const equals = line.indexOf('=')
    if (equals === -1) return
    const key = line.slice(0, equals)
    if (key !== 'progress') {
      if (this.#values.size < LINES_MAX) this.#values.set(key, line.slice(equals + 1).trim())
      return
    }
    const values = this.#values
    this.#values = new Map()
    this.#onProgress(progressOf(values))
  }
}

function progressOf(values: ReadonlyMap<string, string>): EncoderProgress {
  const number = (key: string, pattern: RegExp, factor = 1): number | undefined => {
    const found = pattern.exec(values.get(key) ?? '')?.[1]
    return found === undefined ? undefined : Number(found) * factor
  }
  const plain = /^(-?\d+(?:\.\d+)?)$/
  return {
    frames: number('frame', plain),
    fps: number('fps', plain),
    speed: number('speed', /^(\d+(?:\.\d+)?(?:e[+-]?\d+)?)x$/),
    bitsPerSecond: number('bitrate', /^(\d+(?:\.\d+)?)kbits\/s$/, 1_000),
    droppedFrames: number('drop_frames', plain),
    duplicatedFrames: number('dup_frames', plain),
    mediaMs: number('out_time_us', plain, 1 / 1_000),
  }
}
