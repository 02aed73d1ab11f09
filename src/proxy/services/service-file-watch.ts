import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Timer } from '../../lib/clock.ts'

interface ServiceFileWatchOptions {
  readonly path: string
  readonly clock: Clock
  /** The file is another than it was. Not called again before it has settled. */
  readonly onChange: () => Promise<void>
}

/** An editor writes in several steps: what is read in between is half a file. */
const SETTLE_MS = 150
/** Where the system tells nothing (network file systems), or too early. */
const LOOK_EVERY_MS = 5_000

/**
 * Tells when a file has changed, however it was replaced: written, renamed over, or by a link above it (as a ConfigMap of
 * Kubernetes is). The directory is watched, not the file, which may be another one each time.
 */
export class ServiceFileWatch implements AsyncDisposable {
  readonly #options: ServiceFileWatchOptions
  #watcher: FSWatcher | undefined
  #seen: string | undefined
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #isDueAgain = false
  #isDisposed = false

  constructor(options: ServiceFileWatchOptions) {
    this.#options = options
  }

  /** What is there now counts as known. */
  async start(): Promise<void> {
    const { path } = this.#options
    this.#seen = await markOf(path)
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, () => this.#plan(SETTLE_MS))
      // The directory may go away; looking now and then is left.
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      this.#watcher = undefined
    }
    this.#plan(LOOK_EVERY_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true
    this.#watcher?.close()
    this.#timer?.cancel()
    await this.#looking
  }

  #plan(afterMs: number): void {
    if (this.#isDisposed) return
    this.#timer?.cancel()
    this.#timer = this.#options.clock.schedule(afterMs, () => {
      // What changes while the last change is taken on is looked at right after.
      if (this.#looking !== undefined) {
        this.#isDueAgain = true
        return
      }
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined
        this.#plan(this.#isDueAgain ? SETTLE_MS : LOOK_EVERY_MS)
        this.#isDueAgain = false
      })
    })
  }

  async #look(): Promise<void> {
    const { path, onChange } = this.#options
    const mark = await markOf(path)
    if (mark === this.#seen) return
    this.#seen = mark
    await onChange()
  }
}

async function markOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, dev } = await stat(path)
    return `${dev}/${ino}/${size}/${mtimeMs}`
  } catch {
    return 'missing'
  }
}
