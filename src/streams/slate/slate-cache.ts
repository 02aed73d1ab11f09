import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { makeDirectory } from '../../lib/directory.ts'

/**
 * Rendered slates on disk, one file each: the transport stream, and the SHA-256 of it behind its end. What does not agree
 * with that is as good as missing. The files that were not used for longest go when all are larger than the limit.
 */
export interface SlateCacheOptions {
  readonly directory: string
  readonly bytesMax: number
  readonly clock: Clock
}

const DIGEST_BYTES = 32
const NAME = /^[0-9a-f]{64}\.slate$/
const NAME_UNFINISHED = /^[0-9a-f]{64}\.\d+\.tmp$/
/** What another process may be writing now is left alone. */
const UNFINISHED_AGE_MS = 600_000

export class SlateCache {
  readonly #options: SlateCacheOptions
  #written = 0

  constructor(options: SlateCacheOptions) {
    this.#options = options
  }

  /** `key` is 64 hexadecimal digits. Undefined when there is none, or it is damaged. */
  async read(key: string): Promise<Buffer | undefined> {
    const path = this.#path(key)
    const content = await readFile(path).catch(() => undefined)
    if (content === undefined || content.length <= DIGEST_BYTES) return undefined
    const bytes = content.subarray(0, -DIGEST_BYTES)
    if (!digestOf(bytes).equals(content.subarray(-DIGEST_BYTES))) return undefined
    const now = this.#options.clock.wallMs() / 1_000
    await utimes(path, now, now).catch(() => {})
    return bytes
  }

  /** Throws the error of the file system when it cannot be written. */
  async write(key: string, bytes: Buffer): Promise<void> {
    await makeDirectory(this.#options.directory, 0o750)
    this.#written += 1
    const unfinished = join(this.#options.directory, `${key}.${process.pid}${this.#written}.tmp`)
    try {
      await writeFile(unfinished, [bytes, digestOf(bytes)])
      await rename(unfinished, this.#path(key))
    } finally {
      await rm(unfinished, { force: true })
    }
    await this.#makeRoom()
  }

  #path(key: string): string {
    return join(this.#options.directory, `${key}.slate`)
  }

  async #makeRoom(): Promise<void> {
    const { directory, bytesMax, clock } = this.#options
    const files: { path: string; bytes: number; usedMs: number }[] = []
    for (const name of await readdir(directory)) {
      const path = join(directory, name)
      const isUnfinished = NAME_UNFINISHED.test(name)
      if (!isUnfinished && !NAME.test(name)) continue
      const found = await stat(path).catch(() => undefined)
      if (found === undefined) continue
      if (!isUnfinished) files.push({ path, bytes: found.size, usedMs: found.mtimeMs })
      else if (clock.wallMs() - found.mtimeMs > UNFINISHED_AGE_MS) await rm(path, { force: true })
    }
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    for (const file of files.toSorted((left, right) => left.usedMs - right.usedMs)) {
      if (bytes <= bytesMax) return
      await rm(file.path, { force: true })
      bytes -= file.bytes
    }
  }
}

function digestOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
