import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FaultOrigin, FaultOriginOptions } from './fault-origin.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { until } from './poll.ts'
import { Scene } from './scene.ts'
import type { Viewer } from './viewer.ts'

/** What the API tells of a stream that is encoded anew. */
export interface TranscodedObject {
  readonly current_url: string
  readonly failover_index: number
  readonly failover_attempts: number
  readonly stream_type: string
  readonly phase: string
  readonly client_count: number
  readonly upstream_connections: number
  readonly slate_on: boolean
  readonly transcoder: {
    readonly profile: string
    readonly pid: number | null
    readonly restarts: number
    readonly last_failure: string | null
    readonly speed: number | null
    readonly fps: number | null
    readonly frames: number | null
    readonly dropped_frames: number | null
    readonly input_skips: number
    readonly renditions: readonly { readonly height: number | null; readonly viewers: number }[] | null
  }
}

/** A stream that a running gateway encodes anew, with origins of its own. */
export class TranscodeScene implements AsyncDisposable {
  readonly #scene: Scene

  private constructor(scene: Scene) {
    this.#scene = scene
  }

  /** `origins`: what each of them is like; `body`: more fields of POST /transcode. */
  static async open(
    gateway: GatewayProcess,
    origins: readonly Partial<FaultOriginOptions>[],
    body: Readonly<Record<string, unknown>> = {},
  ): Promise<TranscodeScene> {
    const create = async ([url = '', ...failover]: readonly string[]): Promise<string> => {
      const asked = { url, failover_urls: failover, profile: 'lowlatency', ...body }
      const answer = await gateway.api.call<{ stream_id: string }>('POST', '/transcode', asked)
      if (answer.status !== 200) throw new Error(`POST /transcode answered ${answer.status} ${answer.text}`)
      return answer.body.stream_id
    }
    const named = origins.map((options, index) => ({ name: `transcode-${index}`, ...options }))
    return new TranscodeScene(await Scene.open({ gateway, origins: named, create }))
  }

  get gateway(): GatewayProcess {
    return this.#scene.gateway
  }

  get origins(): readonly FaultOrigin[] {
    return this.#scene.origins
  }

  get streamId(): string {
    return this.#scene.streamId
  }

  origin(index: number): FaultOrigin {
    return this.#scene.origin(index)
  }

  watch(): Viewer {
    return this.#scene.watch()
  }

  /** A viewer that has read some of what the encoder makes. */
  async watching(): Promise<Viewer> {
    const viewer = this.watch()
    await viewer.hasRead(100_000)
    return viewer
  }

  async state(): Promise<TranscodedObject> {
    const { body } = await this.gateway.api.call<{ stream: TranscodedObject }>('GET', `/streams/${this.streamId}`)
    return body.stream
  }

  /** The process that encodes now. */
  async pid(): Promise<number> {
    return until(async () => (await this.state()).transcoder.pid ?? undefined, { what: 'an encoder' })
  }

  /** Resolves when the state is as wanted. */
  async comesTo(
    what: string,
    wanted: (state: TranscodedObject) => boolean,
    deadlineMs = 20_000,
  ): Promise<TranscodedObject> {
    let latest: TranscodedObject | undefined
    return until(
      async () => {
        latest = await this.state()
        return wanted(latest) ? latest : undefined
      },
      { what, deadlineMs, evidence: () => latest },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scene[Symbol.asyncDispose]()
  }
}

/**
 * A directory to be put in front of PATH whose `ffmpeg` is a shell script of the test's. `before` runs at each start that
 * encodes; `$RUN` counts them from 1. Behind it the real one takes over.
 */
export class FakeFfmpeg implements AsyncDisposable {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  static async make(before: string): Promise<FakeFfmpeg> {
    const fake = new FakeFfmpeg(await mkdtemp(join(tmpdir(), 'holdfast-lab-ffmpeg-')))
    const path = join(fake.directory, 'ffmpeg')
    const real = (process.env['PATH'] ?? '')
      .split(':')
      .filter((each) => each !== fake.directory)
      .join(':')
    await writeFile(
      path,
      [
        '#!/bin/sh',
        `PATH='${real}'`,
        // What looks at the version, tries hardware or makes slates is none of the test's business.
        `case "$*" in *'-progress pipe:3'*) ;; *) exec ffmpeg "$@" ;; esac`,
        `echo run >> '${fake.directory}/runs'`,
        `RUN=$(wc -l < '${fake.directory}/runs')`,
        before,
        'exec ffmpeg "$@"',
      ].join('\n'),
    )
    await chmod(path, 0o755)
    return fake
  }

  get path(): string {
    return `${this.directory}:${process.env['PATH'] ?? ''}`
  }

  async runs(): Promise<number> {
    const text = await readFile(join(this.directory, 'runs'), 'utf8').catch(() => '')
    return text.split('\n').length - 1
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}
