import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import { endProcess } from './encoder.ts'

const PREFERRED_PORT = 8085
const START_MS_MAX = 20_000
const ASK_EVERY_MS = 50
/** How much of what the gateway says is kept, to be shown when it does not start. */
const OUTPUT_CHARACTERS_MAX = 8_000

interface GatewayOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly logLevel: string
  /** Where what it says goes, beside being kept. */
  readonly onOutput: ((text: string) => void) | undefined
}

/** A real gateway in a process of its own, as `npm start` would run it, on loopback and with a data directory to throw away. */
export class GatewayProcess implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess
  readonly #clock: Clock
  readonly #directory: string
  #output = ''

  private constructor(options: { readonly port: number; readonly directory: string } & GatewayOptions) {
    this.url = `http://127.0.0.1:${options.port}`
    this.#clock = options.clock
    this.#directory = options.directory
    this.#child = spawn(process.execPath, [join(import.meta.dirname, '..', 'main.ts'), 'serve'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        HOST: '127.0.0.1',
        PORT: String(options.port),
        API_TOKEN: '',
        HOLDFAST_DATA_DIR: options.directory,
        LOG_LEVEL: options.logLevel,
      },
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        const text = chunk.toString()
        this.#output = `${this.#output}${text}`.slice(-OUTPUT_CHARACTERS_MAX)
        options.onOutput?.(text)
      })
    }
  }

  /** Starts it and waits until it answers. Throws an Error with what it said when it does not. */
  static async start(options: GatewayOptions): Promise<GatewayProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-demo-'))
    const gateway = new GatewayProcess({ ...options, directory, port: await freePort() })
    try {
      await gateway.#waitUntilItAnswers(options.signal)
      return gateway
    } catch (error) {
      await gateway[Symbol.asyncDispose]()
      throw error
    }
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** The end of what it said. */
  get output(): string {
    return this.#output
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#child, this.#clock)
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #waitUntilItAnswers(signal: AbortSignal): Promise<void> {
    const giveUpAtMs = this.#clock.nowMs() + START_MS_MAX
    let lastProblem = 'no answer'
    while (this.#clock.nowMs() < giveUpAtMs) {
      if (this.hasEnded) throw new Error(`the gateway ended while it started:\n${this.#output}`)
      try {
        const response = await fetch(`${this.url}/health`, { signal })
        if (response.ok) return
        lastProblem = `status ${response.status}`
      } catch (error) {
        signal.throwIfAborted()
        lastProblem = errorMessage(error)
      }
      await this.#clock.sleep(ASK_EVERY_MS, signal)
    }
    throw new Error(`the gateway did not answer within ${START_MS_MAX} ms (${lastProblem}):\n${this.#output}`)
  }
}

/** The port that the documentation names where it is free, otherwise any. */
async function freePort(): Promise<number> {
  return (await tryPort(PREFERRED_PORT)) ?? (await tryPort(0)) ?? PREFERRED_PORT
}

async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => {
      // A server that listens on TCP has an address of this form.
      const found = (server.address() as AddressInfo).port
      server.close(() => resolve(found))
    })
  })
}
