import { createAnalyser } from '../../mpegts/analyser/analyser.ts'
import type { AnalyserReport } from '../../mpegts/analyser/report.ts'
import type { DrillChannel } from './drill-channel.ts'
import { mediaVerdict } from './media-verdict.ts'
import type { MediaVerdict } from './media-verdict.ts'

/** Reads what every viewer of a channel is given, and judges it as a decoder would. */
export class DrillViewer implements Disposable {
  readonly #isJudged: boolean
  readonly #analyser = createAnalyser()
  readonly #watching: Disposable
  #before: AnalyserReport | undefined

  constructor(channel: DrillChannel) {
    this.#isJudged = channel.container === 'mpegts'
    this.#watching = channel.watch((bytes) => {
      if (this.#isJudged) this.#analyser.push(bytes)
    })
  }

  /** What came until now is how the stream is without the drill. */
  begin(): void {
    this.#before = this.#analyser.report()
  }

  /** Undefined where the media cannot be looked into. */
  verdict(): MediaVerdict | undefined {
    if (!this.#isJudged || this.#before === undefined) return undefined
    return mediaVerdict(this.#before, this.#analyser.report())
  }

  [Symbol.dispose](): void {
    this.#watching[Symbol.dispose]()
  }
}
