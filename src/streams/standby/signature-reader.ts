import { createAnalyser } from '../../mpegts/analyser/analyser.ts'
import type { Analyser } from '../../mpegts/analyser/analyser.ts'
import type { CodecSignature } from '../../mpegts/analyser/signature.ts'

/** The signature is looked for again after so much more. */
const LOOK_EVERY_BYTES = 131_072
/** What has not shown its formats by then does not: its signature is what is known. */
const BYTES_MAX = 2_097_152

/** Reads the codec signature from the begin of an MPEG-TS source, then looks no further. */
export class SignatureReader {
  readonly #onKnown: (signature: CodecSignature) => void
  #analyser: Analyser | undefined = createAnalyser()
  #bytes = 0
  #lookAtBytes = LOOK_EVERY_BYTES

  /** `onKnown` is called at most once. */
  constructor(onKnown: (signature: CodecSignature) => void) {
    this.#onKnown = onKnown
  }

  push(packets: Buffer): void {
    if (this.#analyser === undefined) return
    this.#analyser.push(packets)
    this.#bytes += packets.length
    if (this.#bytes < this.#lookAtBytes) return
    this.#lookAtBytes = this.#bytes + LOOK_EVERY_BYTES
    const { signature } = this.#analyser.report()
    const isComplete =
      signature !== undefined &&
      signature.streams.every(({ kind, format }) => format !== undefined || (kind !== 'video' && kind !== 'audio'))
    if (!isComplete && this.#bytes < BYTES_MAX) return
    this.#analyser = undefined
    if (signature !== undefined && signature.streams.length > 0) this.#onKnown(signature)
  }

  /** No more comes: what is known by now has to do. */
  end(): void {
    const signature = this.#analyser?.report().signature
    this.#analyser = undefined
    if (signature !== undefined && signature.streams.length > 0) this.#onKnown(signature)
  }
}
