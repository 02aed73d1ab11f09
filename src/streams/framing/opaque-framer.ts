import type { Container, FrameCounters, Framer, FrameSink } from './framing.ts'

const NOTHING = Buffer.alloc(0)
const JOIN_AT_START: readonly number[] = [0]

/** Passes every chunk as it comes; a viewer may begin anywhere, and there is no preamble. */
export class OpaqueFramer implements Framer {
  readonly container: Container
  #chunks = 0

  constructor(container: Container) {
    this.container = container
  }

  push(chunk: Buffer, sink: FrameSink): void {
    if (chunk.length === 0) return
    this.#chunks += 1
    sink.packets(chunk, JOIN_AT_START)
  }

  preamble(): Buffer {
    return NOTHING
  }

  get mediaSeen(): boolean {
    return this.#chunks > 0
  }

  get mediaMs(): undefined {
    return undefined
  }

  get counters(): FrameCounters {
    return { skippedBytes: 0, units: this.#chunks, continuityErrors: 0, transportErrors: 0, scrambledPackets: 0 }
  }
}
