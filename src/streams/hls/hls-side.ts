import { HoldfastError } from '../../lib/errors.ts'
import type { Json } from '../../store/store.ts'
import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { HlsClients } from './hls-clients.ts'
import type { HlsOutput, HlsViewRequest } from './hls-output.ts'

/** An HLS output at work. */
export interface RunningHls extends HlsOutput, Disposable {
  /** What has to survive a restart: plain JSON data. */
  readonly memory: Json
  /** A switch of the stream's source has settled; players may be told. */
  switched(receipt: SwitchReceipt): void
  /** No source delivers for now: whoever waits for a first answer is told so. */
  giveUp(): void
}

/** How a stream comes to be HLS: its sources' own playlists are passed on, or the continuous stream is cut into segments. */
export type HlsWay = 'proxied' | 'packaged'

/** What the outputs of a stream remember across restarts, each for itself. */
export type HlsMemory = Readonly<Partial<Record<HlsWay, Json>>>

export interface HlsSideOptions {
  readonly clients: HlsClients
  readonly memory: HlsMemory | undefined
  readonly way: () => HlsWay
  readonly create: (way: HlsWay, memory: Json | undefined) => RunningHls
  /** Somebody needs the output now: the stream has to be on air. */
  readonly onWanted: () => void
}

/** The HLS side of one stream: it exists while somebody plays it, and remembers where it was. */
export class HlsSide {
  readonly #options: HlsSideOptions
  #memory: HlsMemory
  #running: { readonly way: HlsWay; readonly output: RunningHls } | undefined

  constructor(options: HlsSideOptions) {
    this.#options = options
    this.#memory = options.memory ?? {}
  }

  get memory(): HlsMemory {
    const running = this.#running
    return running === undefined ? this.#memory : { ...this.#memory, [running.way]: running.output.memory }
  }

  /** Answers one request of a player. Throws what its output throws. */
  async serve(request: HlsViewRequest, clientId: string): Promise<void> {
    const { clients, onWanted } = this.#options
    clients.asked(request, clientId)
    const output = this.#output()
    onWanted()
    await output.serve(request)
  }

  switched(receipt: SwitchReceipt): void {
    this.#running?.output.switched(receipt)
  }

  /** No source delivers for now. */
  giveUp(): void {
    this.#running?.output.giveUp()
  }

  /** Whether the stream would be passed on in another way now than it is. */
  get isOutdated(): boolean {
    return this.#running !== undefined && this.#running.way !== this.#options.way()
  }

  /** The stream is idle, or passed on in another way. */
  stop(): void {
    this.#memory = this.memory
    this.#running?.output[Symbol.dispose]()
    this.#running = undefined
  }

  #output(): RunningHls {
    const { way, create } = this.#options
    if (this.#running === undefined) {
      const wanted = way()
      this.#running = { way: wanted, output: create(wanted, this.#memory[wanted]) }
    }
    return this.#running.output
  }
}

/** Of a stream that has no HLS side. */
export function noHls(why: string): HoldfastError {
  return new HoldfastError('hls_not_available', `This stream cannot be had as HLS: ${why}`)
}
