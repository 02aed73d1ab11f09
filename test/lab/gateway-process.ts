import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Api } from './api.ts'
import { until } from './poll.ts'
import { processFacts } from './process-facts.ts'
import type { ProcessFacts } from './process-facts.ts'
import { steadyPort } from './steady-port.ts'
import { Viewer } from './viewer.ts'
import type { ViewerOptions } from './viewer.ts'

export interface GatewayOptions {
  /** Environment on top of the lab's own (loopback, a port and a directory of its own, JSON logs). */
  readonly env?: Readonly<Record<string, string>>
  /** Sent by the API helper with every request. */
  readonly token?: string
}

export type LogLine = Readonly<Record<string, unknown>>

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const START_DEADLINE_MS = 20_000
const STOP_DEADLINE_MS = 12_000
const LOG_LINES_MAX = 20_000

/** A real gateway in a process of its own, with a data directory that survives restarts and goes with the object. */
export class GatewayProcess implements AsyncDisposable {
  readonly #options: GatewayOptions
  readonly #dataDirectory: string
  #child: ChildProcess | undefined
  #url = ''
  readonly logs: LogLine[] = []
  /** What it wrote that is not a structured log line, standard error included. */
  readonly otherOutput: string[] = []

  private constructor(options: GatewayOptions, dataDirectory: string) {
    this.#options = options
    this.#dataDirectory = dataDirectory
  }

  static async start(options: GatewayOptions = {}): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(options, await mkdtemp(join(tmpdir(), 'holdfast-lab-data-')))
    try {
      await gateway.#launch()
    } catch (error) {
      await gateway[Symbol.asyncDispose]()
      throw error
    }
    return gateway
  }

  get url(): string {
    return this.#url
  }

  get port(): number {
    return Number(new URL(this.#url).port)
  }

  get dataDirectory(): string {
    return this.#dataDirectory
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error('the gateway is not running')
    return pid
  }

  get api(): Api {
    const { token } = this.#options
    return new Api(this.#url, token === undefined ? {} : { 'x-api-token': token })
  }

  /** A viewer of a stream; the caller disposes of it. */
  watch(streamId: string, options: Omit<ViewerOptions, 'url'> & { readonly query?: string } = {}): Viewer {
    const { query = '', ...rest } = options
    return new Viewer({ ...rest, url: `${this.#url}/stream/${streamId}${query}` })
  }

  /** Ends the process: SIGTERM asks, SIGKILL does not. Resolves when it is gone. */
  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined) return null
    child.kill(signal)
    await until(() => hasEnded(child), { what: `the end of the gateway on ${signal}`, deadlineMs: STOP_DEADLINE_MS })
    return child.exitCode
  }

  /** Kills it and starts it again on the same data directory and port, with `env` changed. */
  async restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.kill('SIGKILL')
    await this.#launch(env)
  }

  /** Log lines of one event, oldest first. */
  logged(event: string): readonly LogLine[] {
    return this.logs.filter((line) => line['event'] === event)
  }

  facts(): Promise<ProcessFacts> {
    return processFacts(this.pid)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGKILL')
    // Its children end a moment after it, and may write there until then.
    await rm(this.#dataDirectory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }

  async #launch(changed: Readonly<Record<string, string>> = {}): Promise<void> {
    const from = this.logs.length
    const port = this.#url === '' ? await steadyPort() : this.port
    const child = spawn(process.execPath, [MAIN, 'serve'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOST: '127.0.0.1',
        PORT: String(port),
        HOLDFAST_DATA_DIR: this.#dataDirectory,
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'info',
        ...this.#options.env,
        ...changed,
      },
    })
    this.#child = child
    endWithThisProcess(child)
    createInterface({ input: child.stdout }).on('line', (line) => this.#read(line))
    createInterface({ input: child.stderr }).on('line', (line) => this.otherOutput.push(line))
    const listening = await until(
      () => {
        if (hasEnded(child)) throw new Error(`the gateway ended at once: ${this.otherOutput.slice(-20).join('\n')}`)
        return this.logs.slice(from).find((line) => line['event'] === 'gateway_listening')
      },
      { what: 'the gateway listening', deadlineMs: START_DEADLINE_MS, evidence: () => this.otherOutput.slice(-20) },
    )
    this.#url = String(listening['url'])
  }

  #read(line: string): void {
    if (this.logs.length >= LOG_LINES_MAX) this.logs.shift()
    try {
      this.logs.push(JSON.parse(line) as LogLine)
    } catch {
      this.otherOutput.push(line)
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** A test that is broken off takes its processes with it. */
export function endWithThisProcess(child: ChildProcess): void {
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  if (isWatchingSignals) return
  isWatchingSignals = true
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
}

let isWatchingSignals = false
