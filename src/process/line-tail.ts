import { StringDecoder } from 'node:string_decoder'
import { redactUrlsIn } from '../lib/redact.ts'

const LINES_MAX = 40
const LINE_CHARACTERS_MAX = 500
/** A longer secret is more likely than a shorter one to be a secret; replacing one letter would replace everything. */
const SECRET_CHARACTERS_MIN = 3

/** The last lines of what a process says, without credentials: at most 40 lines of 500 characters. */
export class LineTail {
  readonly #decoder = new StringDecoder('utf8')
  readonly #secrets: readonly string[]
  readonly #onLine: ((line: string) => void) | undefined
  readonly #lines: string[] = []
  #rest = ''

  /** `secrets` are replaced wherever they stand; URLs lose their credentials anyway. */
  constructor({
    secrets = [],
    onLine,
  }: { readonly secrets?: readonly string[]; readonly onLine?: ((line: string) => void) | undefined } = {}) {
    this.#secrets = secrets.filter((secret) => secret.length >= SECRET_CHARACTERS_MIN)
    this.#onLine = onLine
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  push(bytes: Buffer): void {
    // Programs that draw progress end their lines with a carriage return.
    const pieces = (this.#rest + this.#decoder.write(bytes)).split(/[\r\n]+/)
    this.#rest = (pieces.pop() ?? '').slice(-LINE_CHARACTERS_MAX * 8)
    for (const piece of pieces) this.#add(piece)
  }

  /** The last line, which may have no end. */
  end(): void {
    const rest = this.#rest
    this.#rest = ''
    this.#add(rest)
  }

  #add(raw: string): void {
    if (raw.trim() === '') return
    let line = redactUrlsIn(raw)
    for (const secret of this.#secrets) line = line.replaceAll(secret, '***')
    line = line.slice(0, LINE_CHARACTERS_MAX)
    this.#lines.push(line)
    if (this.#lines.length > LINES_MAX) this.#lines.shift()
    this.#onLine?.(line)
  }
}
