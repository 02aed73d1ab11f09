import { createHash } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import type { Log } from '../../lib/log.ts'
import type { CodecSignature } from '../../mpegts/analyser/signature.ts'
import type { Processes } from '../../process/processes.ts'
import { CARD_TEXT_DEFAULT } from './card.ts'
import type { Lettering } from './card-graph.ts'
import { planRender } from './render-plan.ts'
import type { SlateContent } from './render-plan.ts'
import { runFfmpeg } from './run-ffmpeg.ts'
import type { FfmpegResult } from './run-ffmpeg.ts'
import { readSlate } from './slate.ts'
import type { Slate } from './slate.ts'
import { SlateCache } from './slate-cache.ts'
import { SlateError } from './slate-error.ts'
import { parseFileFacts, SlateFiles } from './slate-file.ts'
import type { SlateFile, SlateFileFacts } from './slate-file.ts'
import { canDraw } from './stroke-font.ts'

export interface SlateRendererOptions {
  /** Where rendered slates are kept; made when it is missing. */
  readonly directory: string
  /** The program to run; `ffmpeg` by default. */
  readonly ffmpegPath?: string | undefined
  readonly processes: Processes
  readonly clock: Clock
  readonly log?: Log
}

export interface SlateOptions {
  /** A video or picture of the operator's, in place of the built-in card. */
  readonly file?: string | undefined
  /** Text of the built-in card. */
  readonly text?: string | undefined
}

export interface SlateRenderer {
  /**
   * A slate that a decoder of `signature` takes as more of the same channel, from the cache or rendered now. Rejects with
   * a SlateError that says why there is none, or with the signal's reason.
   */
  slateFor(signature: CodecSignature, options: SlateOptions, signal: AbortSignal): Promise<Slate>
}

/** Raised when slates look different than before, so that old ones are not taken for new ones. */
const VERSION = 1
const RENDER_LIMIT_MS = 30_000
const QUESTION_LIMIT_MS = 10_000
const SLATE_BYTES_MAX = 32 * 1024 * 1024
const CACHE_BYTES_MAX = 64 * 1024 * 1024
const ANSWER_BYTES_MAX = 1024 * 1024
/** Different slates that may be rendered or wait for it. */
const JOBS_MAX = 64
/** Of what ffmpeg says when it fails. */
const LINES_TOLD = 3

interface Job {
  readonly slate: Promise<Slate>
  readonly abort: AbortController
  /** Callers that still want it. */
  waiting: number
}

/** Renders slates with ffmpeg, one at a time, and keeps them. */
export function createSlateRenderer(options: SlateRendererOptions): SlateRenderer {
  return new FfmpegSlateRenderer(options)
}

class FfmpegSlateRenderer implements SlateRenderer {
  readonly #options: SlateRendererOptions
  readonly #log: Log
  readonly #cache: SlateCache
  readonly #files = new SlateFiles()
  readonly #jobs = new Map<string, Job>()
  /** Slates that somebody still plays; the same one is not held twice. */
  readonly #alive = new Map<string, WeakRef<Slate>>()
  /** Ends when the rendering that came last ends. */
  #lastTurn: Promise<void> = Promise.resolve()
  #encoders: ReadonlySet<string> | undefined

  constructor(options: SlateRendererOptions) {
    this.#options = options
    this.#log = options.log ?? silentLog
    this.#cache = new SlateCache({ ...options, bytesMax: CACHE_BYTES_MAX })
  }

  async slateFor(signature: CodecSignature, { file, text }: SlateOptions, signal: AbortSignal): Promise<Slate> {
    signal.throwIfAborted()
    const known = file === undefined ? undefined : await this.#files.identify(file, signal)
    signal.throwIfAborted()
    const content = known?.hash ?? `text ${text ?? CARD_TEXT_DEFAULT}`
    const key = keyOf(signature, content)
    const alive = this.#alive.get(key)?.deref()
    if (alive !== undefined) return alive
    const job = this.#jobs.get(key) ?? this.#begin(key, signature, known, text ?? CARD_TEXT_DEFAULT)
    return await waitFor(job, signal)
  }

  #begin(key: string, signature: CodecSignature, file: SlateFile | undefined, text: string): Job {
    if (this.#jobs.size >= JOBS_MAX) throw new SlateError('busy', `${JOBS_MAX} others are being made`)
    const abort = new AbortController()
    const slate = this.#make(key, signature, file, text, abort.signal).finally(() => {
      if (this.#jobs.get(key) === job) this.#jobs.delete(key)
    })
    // Whoever waits is told; when nobody does any more it is nobody's.
    slate.catch(() => {})
    const job: Job = { slate, abort, waiting: 0 }
    this.#jobs.set(key, job)
    // A job that is given up makes place for another of the same key at once.
    abort.signal.addEventListener('abort', () => void this.#jobs.delete(key), { once: true })
    return job
  }

  async #make(
    key: string,
    signature: CodecSignature,
    file: SlateFile | undefined,
    text: string,
    signal: AbortSignal,
  ): Promise<Slate> {
    const bytes = await this.#cache.read(key)
    const cached = bytes === undefined ? undefined : readSlate(bytes)
    const slate = cached ?? (await this.#inTurn(signal, () => this.#render(key, signature, file, text, signal)))
    for (const [other, reference] of this.#alive) if (reference.deref() === undefined) this.#alive.delete(other)
    this.#alive.set(key, new WeakRef(slate))
    return slate
  }

  /** One after the other, in the order in which they came. */
  async #inTurn<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const before = this.#lastTurn
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#lastTurn = promise
    try {
      await before
      signal.throwIfAborted()
      return await task()
    } finally {
      resolve()
    }
  }

  async #render(
    key: string,
    signature: CodecSignature,
    file: SlateFile | undefined,
    text: string,
    signal: AbortSignal,
  ): Promise<Slate> {
    const startMs = this.#options.clock.nowMs()
    this.#encoders ??= await this.#askEncoders(signal)
    const facts = file === undefined ? undefined : await this.#askFile(file, signal)
    const slate = await this.#renderCard({ text, file: facts }, signature, this.#encoders, signal)
    this.#log.info('slate_rendered', 'A slate was rendered', {
      took_ms: Math.round(this.#options.clock.nowMs() - startMs),
      bytes: slate.bytes.length,
      loop_ms: Math.round(slate.durationMs),
    })
    await this.#cache.write(key, slate.bytes).catch((error: unknown) => {
      this.#log.warn('slate_not_kept', 'A slate could not be kept on disk and will be rendered again', {
        reason: errorMessage(error),
      })
    })
    return slate
  }

  /** Letters that cannot be drawn here need a font of ffmpeg's; where it has none, what can be drawn has to do. */
  async #renderCard(
    content: Omit<SlateContent, 'lettering'>,
    signature: CodecSignature,
    encoders: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<Slate> {
    const letterings: readonly Lettering[] =
      content.file === undefined && !canDraw(content.text) ? ['font', 'strokes'] : ['strokes']
    let said = ''
    for (const lettering of letterings) {
      const { args, input } = planRender(signature, { ...content, lettering }, encoders)
      const level = ['-hide_banner', '-nostdin', '-v', 'error']
      const result = await this.#run([...level, ...args], RENDER_LIMIT_MS, SLATE_BYTES_MAX, signal, input)
      const slate = result.isOk ? readSlate(result.output) : undefined
      if (slate !== undefined) return slate
      said = result.lines.slice(0, LINES_TOLD).join('; ')
    }
    throw new SlateError('render_failed', `ffmpeg could not make it${said === '' ? '' : `: ${said}`}`)
  }

  async #askEncoders(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { output } = await this.#run(['-hide_banner', '-encoders'], QUESTION_LIMIT_MS, ANSWER_BYTES_MAX, signal)
    return new Set([...output.toString('utf8').matchAll(/^ [VAS][A-Z.]{5} (\S+)/gm)].map(([, name = '']) => name))
  }

  async #askFile({ path }: SlateFile, signal: AbortSignal): Promise<SlateFileFacts> {
    // It says what it found, and then that it was not told what to do with it.
    const args = ['-hide_banner', '-nostdin', '-protocol_whitelist', 'file,crypto,data', '-i', `file:${path}`]
    const { lines } = await this.#run(args, QUESTION_LIMIT_MS, ANSWER_BYTES_MAX, signal)
    const facts = parseFileFacts(path, lines.join('\n'))
    if (facts === undefined) throw new SlateError('file_unusable', `ffmpeg finds neither picture nor sound in ${path}`)
    return facts
  }

  async #run(
    args: readonly string[],
    limitMs: number,
    outputBytesMax: number,
    signal: AbortSignal,
    input?: Buffer,
  ): Promise<FfmpegResult> {
    const { processes, ffmpegPath: program = 'ffmpeg' } = this.#options
    return await runFfmpeg({ processes, program, args, input, limitMs, outputBytesMax, signal })
  }
}

/** The job ends with the last of those who wait for it. */
async function waitFor(job: Job, signal: AbortSignal): Promise<Slate> {
  job.waiting += 1
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => {
    job.waiting -= 1
    if (job.waiting === 0) job.abort.abort(signal.reason)
    reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([job.slate, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function keyOf({ streams }: CodecSignature, content: string): string {
  const audible = streams.filter(({ kind }) => kind === 'video' || kind === 'audio')
  return createHash('sha256')
    .update(JSON.stringify([VERSION, content, audible]))
    .digest('hex')
}
