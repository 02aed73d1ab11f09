import { candidateId } from '../../../failover/candidate.ts'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import type { SimulatedClock } from '../../../lib/simulated-clock.ts'
import type { SessionFailure } from '../../sources/session.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import type { HlsProxySource } from './proxy-options.ts'
import { PublishedSlots } from './published-slots.ts'
import { Publisher } from './publisher.ts'
import { References } from './reference.ts'
import type { SourceRun } from './source-run.ts'

const TIMEOUTS = { connectMs: 60_000, answerMs: 60_000, silenceMs: 60_000, totalMs: 60_000 }
const TARGET_S = 2

/** A source in the test: it publishes a segment every two seconds, until it is told to do something else. */
export class ScriptedSource {
  readonly source: HlsProxySource
  readonly session: SourceAccess
  readonly asked: string[] = []
  /** Segments that were asked for; none of them ever comes. */
  readonly opened: string[] = []
  /** A status instead of the playlist. */
  status: number | undefined
  isEmpty = false
  isEnded = false

  constructor(index: number, clock: SimulatedClock) {
    const url = `http://${index}.test/live.m3u8`
    const startMs = clock.nowMs()
    const headers = {}
    this.source = {
      ...{ candidateId: candidateId(`candidate-${index}`), index, url, headers, userAgent: 'test' },
      ...{ operatorHosts: new Set<string>(), useStickySession: false },
    }
    this.session = {
      ...{ key: this.source.candidateId, entryUrl: url, timeouts: TIMEOUTS, segmentTimeouts: TIMEOUTS },
      entryAnswered: () => {},
      entryFailed: () => false,
      suspend: () => {},
      resume: () => {},
      open: (segment) => {
        this.opened.push(segment)
        return { close: () => {}, pause: () => {}, resume: () => {} }
      },
      [Symbol.dispose]: () => {},
      fetch: async (asked) => {
        this.asked.push(asked)
        const { status } = this
        if (status !== undefined) {
          return { kind: 'failed', failure: { kind: 'http_status', message: `answered ${status}`, status } }
        }
        const text = this.#text(Math.floor((clock.nowMs() - startMs) / (TARGET_S * 1_000)))
        const head = { status: 200, headers, finalUrl: asked, elapsedMs: 0 }
        return { kind: 'answered', resource: { ...head, body: Buffer.from(text) } }
      },
    }
  }

  #text(first: number): string {
    const lines = ['#EXTM3U', `#EXT-X-TARGETDURATION:${TARGET_S}`, `#EXT-X-MEDIA-SEQUENCE:${first}`]
    const segments = this.isEmpty ? [] : [0, 1, 2, 3].map((at) => `#EXTINF:${TARGET_S},\n${first + at}.ts`)
    return [...lines, ...segments, ...(this.isEnded ? ['#EXT-X-ENDLIST'] : []), ''].join('\n')
  }
}

/** A publisher over scripted sources; nothing decides what is on air but the test. */
export function publisherBench(count: number) {
  const clock = createSimulatedClock()
  const sources = Array.from({ length: count }, (_, index) => new ScriptedSource(index, clock))
  const failures: (SessionFailure & { readonly id: string })[] = []
  const slots = new PublishedSlots(
    {
      ...{ clock, limits: { targetDurationFloorS: 0 }, references: new References('secret', 'bench') },
      hasAlternative: () => count > 1,
      onMemoryChanged: () => {},
      onSegments: () => {},
    },
    undefined,
  )
  const sessions = {
    open: ({ candidateId: id }: HlsProxySource) => {
      const found = sources.find(({ source }) => source.candidateId === id)
      if (found === undefined) throw new Error(`${id} is not in the test`)
      return found.session
    },
  }
  const publisher = new Publisher({
    ...{ clock, slots, sessions, hasAlternative: () => count > 1 },
    listener: { failed: (id, _epoch, failure) => failures.push({ ...failure, id }) },
    onChanged: () => {},
    onWanted: () => {},
    isStandbyAdvancing: () => false,
  })
  let epoch = 0
  const putOnAir = ({ source }: ScriptedSource, standby?: SourceRun): void => {
    epoch += 1
    publisher.putOnAir(source, epoch, standby)
  }
  /** Time goes on, and a player asks for the playlist each second. */
  const play = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      publisher.want(0)
      await clock.advance(1_000)
    }
  }
  return { clock, sources, sessions, failures, slots, publisher, putOnAir, play }
}
