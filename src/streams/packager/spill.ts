import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../../lib/directory.ts'
import { errorMessage } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { WindowSpill } from './segment-window.ts'
import type { StoredMedia } from './stored-media.ts'

export interface SpillOptions {
  readonly directory: string
  /** Of all streams together. */
  readonly bytesMax: number
  readonly log: Log
}

/** Segments that may wait for the disk; past that none is taken, so that a dead disk cannot fill the memory. */
const WAITING_MAX = 16

/**
 * Segments of long windows on disk, of all streams of a gateway. Nothing of it outlives the process: what an earlier one
 * left is removed at the start, since playlists name no segment of an earlier run.
 */
export class Spill implements AsyncDisposable {
  readonly #options: SpillOptions
  readonly #paths = new Map<StoredMedia, string>()
  #bytes = 0
  #waiting = 0
  #next = 0
  #work: Promise<void>
  #isFailing = false

  constructor(options: SpillOptions) {
    this.#options = options
    this.#work = rm(options.directory, { recursive: true, force: true })
      .then(async () => await makeDirectory(options.directory, 0o700))
      .catch((error: unknown) => this.#failed(error))
  }

  /** Bytes on disk, and on their way there. */
  get bytes(): number {
    return this.#bytes
  }

  /** For one stream's window. */
  forStream(): WindowSpill {
    return {
      move: (media, moved) => this.#move(media, moved),
      forget: (media) => this.#forget(media),
    }
  }

  /** Resolves when what was asked for so far is done. Never rejects. */
  async settled(): Promise<void> {
    await this.#work
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work
    await rm(this.#options.directory, { recursive: true, force: true }).catch((error: unknown) => this.#failed(error))
    this.#paths.clear()
  }

  #move(media: StoredMedia, moved: (isMoved: boolean) => void): boolean {
    const { content, bytes } = media
    if (content.kind === 'file') return false
    if (this.#waiting >= WAITING_MAX || this.#bytes + bytes > this.#options.bytesMax) return false
    const path = join(this.#options.directory, `${(this.#next += 1)}.media`)
    this.#paths.set(media, path)
    this.#bytes += bytes
    this.#waiting += 1
    this.#then(async () => {
      const isWritten = await this.#write(path, content.pieces)
      this.#waiting -= 1
      if (isWritten) media.movedTo(path)
      else this.#forget(media)
      moved(isWritten)
    })
    return true
  }

  #forget(media: StoredMedia): void {
    const path = this.#paths.get(media)
    if (path === undefined) return
    // In line, so that one that waits to be written is removed after that.
    this.#then(async () => await this.#remove(media, path))
  }

  async #remove(media: StoredMedia, path: string): Promise<void> {
    if (this.#paths.delete(media)) this.#bytes -= media.bytes
    await rm(path, { force: true })
  }

  async #write(path: string, pieces: readonly Buffer[]): Promise<boolean> {
    try {
      await using file = await open(path, 'w', 0o600)
      for (const piece of pieces) await file.writeFile(piece)
      this.#isFailing = false
      return true
    } catch (error) {
      this.#failed(error)
      return false
    }
  }

  #then(task: () => Promise<void>): void {
    this.#work = this.#work.then(task).catch((error: unknown) => this.#failed(error))
  }

  /** Says once that the disk fails. */
  #failed(error: unknown): void {
    if (!this.#isFailing) {
      const { directory, log } = this.#options
      log.error('hls_spill_failing', `Segments cannot be kept in ${directory}; windows are shorter`, {
        detail: errorMessage(error),
      })
    }
    this.#isFailing = true
  }
}
