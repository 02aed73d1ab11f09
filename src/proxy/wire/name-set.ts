const LENGTH_MAX = 64
const LETTERS = 32

/**
 * A set of field names that are found whatever their case. Nearly every other name is told apart by its length and first
 * letter, without being lower-cased.
 */
export class NameSet {
  readonly #names: ReadonlySet<string>
  readonly #marks = new Uint8Array(LENGTH_MAX * LETTERS)

  /** `names` in lower case, each of less than 64 characters. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names)
    for (const name of names) this.#marks[markOf(name)] = 1
  }

  has(name: string): boolean {
    return this.#marks[markOf(name)] === 1 && this.#names.has(name.toLowerCase())
  }
}

/** Letters differ from their capitals by a bit that is left out here. Names that are too long have a mark out of range. */
function markOf(name: string): number {
  return name.length * LETTERS + (name.charCodeAt(0) & (LETTERS - 1))
}
