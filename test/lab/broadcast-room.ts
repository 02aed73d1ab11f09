import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { broadcastApi } from '../../src/broadcast/broadcast-api.ts'
import { Broadcasts } from '../../src/broadcast/broadcasts.ts'
import { readConfig } from '../../src/config/config.ts'
import { createAccess } from '../../src/http/access.ts'
import { createServer } from '../../src/http/server.ts'
import type { HttpServer } from '../../src/http/server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { Processes } from '../../src/process/processes.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { openHttpSource } from '../../src/streams/sources/http-client.ts'
import { PlaylistRules } from '../../src/hls/rules.ts'
import type { Violation } from '../../src/hls/violation.ts'

/** The longest there is: a start is answered once it is known whether it worked, however long this machine takes for it. */
const START_GRACE_S = 60

/** The broadcasts of a gateway, with their routes, over a store that outlives them. */
export class BroadcastRoom implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'holdfast-broadcast-'))
  readonly #store = createMemoryStore()
  readonly #startGraceS: number
  readonly violations: Violation[] = []
  readonly #rules = new Map<string, PlaylistRules>()
  #processes: Processes | undefined
  broadcasts: Broadcasts | undefined
  #server: HttpServer | undefined
  #url = ''

  private constructor(startGraceS: number) {
    this.#startGraceS = startGraceS
  }

  /** `startGraceS`: the longest that a request to start waits to learn whether it worked, 0 to 60 s. */
  static async open({ startGraceS = START_GRACE_S } = {}): Promise<BroadcastRoom> {
    const room = new BroadcastRoom(startGraceS)
    await room.#open()
    return room
  }

  get processes(): Processes {
    if (this.#processes === undefined) throw new Error('the room is closed')
    return this.#processes
  }

  async restart(): Promise<void> {
    await this.#close()
    await this.#open()
  }

  async ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Response> {
    return fetch(`${this.#url}${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
  }

  async json(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await this.ask(method, path, body)
    return { ...((await answer.json()) as Record<string, unknown>), http: answer.status }
  }

  /** The playlist as a player gets it, judged by the rules of HLS. */
  async playlist(networkId: string): Promise<string> {
    const answer = await this.ask('GET', `/broadcast/${networkId}/live.m3u8`)
    if (answer.status !== 200) throw new Error(`the playlist answered ${answer.status}`)
    const text = await answer.text()
    const rules = this.#rules.get(networkId) ?? new PlaylistRules()
    this.#rules.set(networkId, rules)
    this.violations.push(...rules.pushText(text, systemClock.nowMs()))
    return text
  }

  playlistUrl(networkId: string): string {
    return `${this.#url}/broadcast/${networkId}/live.m3u8`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
    rmSync(this.directory, { recursive: true, force: true })
  }

  async #open(): Promise<void> {
    const common = { clock: systemClock, log: silentLog }
    const config = readConfig({ BROADCAST_START_FAILURE_GRACE: String(this.#startGraceS) })
    this.#processes = new Processes({ ...common, directory: join(this.directory, 'ledger'), limits: { broadcast: 2 } })
    this.broadcasts = await Broadcasts.open({
      ...{ ...common, processes: this.#processes, store: this.#store, network: { clock: systemClock } },
      ...{ directory: join(this.directory, 'broadcasts'), userAgent: 'lab', limits: config },
      ...{ connectTimeoutMs: 5_000, answerTimeoutMs: 10_000, transportOf: () => openHttpSource },
    })
    this.#server = await createServer({
      ...{
        ...common,
        rootPath: '',
        documents: { docsUrl: '', redocUrl: '', openapiUrl: '' },
        version: '0',
        trustProxy: false,
      },
      access: createAccess({ mode: { kind: 'loopback' }, requireViewerToken: false, secret: 's' }),
      groups: [broadcastApi({ broadcasts: this.broadcasts, sourceProtocols: config.sourceProtocols })],
    })
    this.#url = await this.#server.listen({ host: '127.0.0.1', port: 0 })
  }

  async #close(): Promise<void> {
    await this.broadcasts?.[Symbol.asyncDispose]()
    await this.#server?.[Symbol.asyncDispose]()
    await this.#processes?.[Symbol.asyncDispose]()
  }
}
