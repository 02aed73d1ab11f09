import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { endWithThisProcess } from '../test/lab/gateway-process.ts'
import { until } from '../test/lab/poll.ts'

const START_DEADLINE_MS = 5_000

/** A server that is no program of ours: a process with a directory of its own, which goes with it. */
export class NativeServer implements AsyncDisposable {
  readonly port: number
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(child: ChildProcess, port: number, directory: string) {
    this.#child = child
    this.port = port
    this.#directory = directory
  }

  /** Undefined where the program is not installed; otherwise it answers on its port of loopback. */
  static async start(
    command: string,
    args: readonly string[],
    port: number,
    directory: string,
  ): Promise<NativeServer | undefined> {
    const child = spawn(command, args, { stdio: 'ignore', cwd: directory })
    const isMissing = await Promise.race([
      once(child, 'error').then(() => true),
      once(child, 'spawn').then(() => false),
    ])
    if (isMissing) {
      await rm(directory, { recursive: true })
      return undefined
    }
    endWithThisProcess(child)
    const isAnswering = () =>
      fetch(`http://127.0.0.1:${port}/`, { method: 'HEAD' }).then(
        () => true,
        () => false,
      )
    await until(isAnswering, { what: `${command} serving`, deadlineMs: START_DEADLINE_MS })
    return new NativeServer(child, port, directory)
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the server is not running')
    return this.#child.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** A port that was free a moment ago: these programs cannot be told to choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
