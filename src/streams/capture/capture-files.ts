import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../../lib/directory.ts'
import { errorMessage } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'

export interface CaptureFilesOptions {
  readonly directory: string
  /** Newest captures that are kept, of all streams together. */
  readonly capturesKept: number
  /** The most that one may have; kept to by those who make them. */
  readonly captureBytesMax: number
  readonly log: Log
}

export interface CaptureFile {
  readonly path: string
  readonly bytes: number
}

const SUFFIX = '.ts'
const UNFINISHED_SUFFIX = '.ts.part'
/** Captures that may wait for the disk; past that the newest is dropped, so that a dead disk cannot fill the memory. */
const WAITING_MAX = 4

interface Kept extends CaptureFile {
  readonly modifiedMs: number
}

/**
 * The captures of switches as files `<stream id>.<receipt id>.ts` in one directory. A file is there whole or not at all:
 * it is written under another name first. What goes wrong with the disk is logged and costs the capture, nothing else.
 */
export class CaptureFiles implements AsyncDisposable {
  readonly #options: CaptureFilesOptions
  readonly #kept = new Map<string, Kept>()
  #work: Promise<void> = Promise.resolve()
  #waiting = 0
  #isFailing = false

  private constructor(options: CaptureFilesOptions) {
    this.#options = options
  }

  /** Finds the captures of earlier runs; what a crash left unfinished is removed. Never rejects. */
  static async open(options: CaptureFilesOptions): Promise<CaptureFiles> {
    const files = new CaptureFiles(options)
    await files.#find().catch((error: unknown) => files.#failed(error))
    return files
  }

  get captureBytesMax(): number {
    return this.#options.captureBytesMax
  }

  /** The capture of one switch; undefined while there is none. */
  find(streamId: string, receiptId: string): CaptureFile | undefined {
    return this.#kept.get(nameOf(streamId, receiptId))
  }

  /** Writes a capture in the background. `pieces` must stay as they are. */
  keep(streamId: string, receiptId: string, pieces: readonly Buffer[]): void {
    if (this.#waiting >= WAITING_MAX) {
      this.#options.log.warn('capture_dropped', `${WAITING_MAX} captures wait for the disk; this one is dropped`, {
        stream_id: streamId,
      })
      return
    }
    this.#waiting += 1
    this.#work = this.#work.then(async () => {
      try {
        await this.#write(nameOf(streamId, receiptId), pieces)
        this.#isFailing = false
        await this.#trim()
      } catch (error) {
        this.#failed(error)
      } finally {
        this.#waiting -= 1
      }
    })
  }

  /** Resolves when what was asked for so far is on disk, or lost. */
  async flush(): Promise<void> {
    await this.#work
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush()
  }

  async #find(): Promise<void> {
    const { directory } = this.#options
    await makeDirectory(directory, 0o700)
    for (const name of await readdir(directory)) {
      const path = join(directory, name)
      if (name.endsWith(UNFINISHED_SUFFIX)) await rm(path, { force: true })
      if (!name.endsWith(SUFFIX)) continue
      const { size, mtimeMs } = await stat(path)
      this.#kept.set(name, { path, bytes: size, modifiedMs: mtimeMs })
    }
    await this.#trim()
  }

  async #write(name: string, pieces: readonly Buffer[]): Promise<void> {
    const { directory } = this.#options
    const path = join(directory, name)
    const unfinished = path.slice(0, -SUFFIX.length) + UNFINISHED_SUFFIX
    await makeDirectory(directory, 0o700)
    try {
      await using file = await open(unfinished, 'w', 0o600)
      for (const piece of pieces) await file.writeFile(piece)
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined)
      throw error
    }
    await rename(unfinished, path)
    const { size, mtimeMs } = await stat(path)
    this.#kept.set(name, { path, bytes: size, modifiedMs: mtimeMs })
  }

  async #trim(): Promise<void> {
    const excess = this.#kept.size - this.#options.capturesKept
    if (excess <= 0) return
    const oldest = [...this.#kept].toSorted(([, left], [, right]) => left.modifiedMs - right.modifiedMs)
    for (const [name, { path }] of oldest.slice(0, excess)) {
      this.#kept.delete(name)
      await rm(path, { force: true })
    }
  }

  /** Says once that the disk fails. */
  #failed(error: unknown): void {
    if (!this.#isFailing) {
      const { directory, log } = this.#options
      log.error('captures_failing', `Captures of switches cannot be kept in ${directory}`, {
        detail: errorMessage(error),
      })
    }
    this.#isFailing = true
  }
}

function nameOf(streamId: string, receiptId: string): string {
  return `${streamId}.${receiptId}${SUFFIX}`
}
