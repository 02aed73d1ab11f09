import type { Clock } from '../../lib/clock.ts'
import { errorMessage } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'

interface StateSaverOptions {
  readonly clock: Clock
  readonly log: Log
  /** Whose state it is, for the log. */
  readonly serviceId: string
  /** Stores the latest state. */
  readonly put: () => Promise<unknown>
}

const RETRY_MS = 1_000

/** Stores a state that changes often: one write at a time, always of the latest; one that fails is tried again. */
export class StateSaver implements AsyncDisposable {
  readonly #options: StateSaverOptions
  readonly #ended = new AbortController()
  #isDirty = false
  #saving: Promise<void> | undefined

  constructor(options: StateSaverOptions) {
    this.#options = options
  }

  /** Something changed that is to survive. */
  save(): void {
    this.#isDirty = true
    this.#saving ??= this.#saveAll().finally(() => {
      this.#saving = undefined
    })
  }

  /** Ends after the write under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('the service has ended'))
    await this.#saving
  }

  async #saveAll(): Promise<void> {
    const { clock, log, serviceId, put } = this.#options
    const { signal } = this.#ended
    while (this.#isDirty && !signal.aborted) {
      // All that follows from one event is one write.
      await Promise.resolve()
      this.#isDirty = false
      try {
        await put()
      } catch (error) {
        const fields = { service_id: serviceId, error: errorMessage(error) }
        log.warn('service_state_not_stored', 'The state of a service was not stored and is tried again', fields)
        this.#isDirty = true
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }
}
