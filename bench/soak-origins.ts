import type { Random } from '../src/lib/random.ts'
import { FaultOrigin } from '../test/lab/fault-origin.ts'
import { loadFmp4Media, loadTsMedia } from '../test/lab/hls-media.ts'
import { HlsOriginProcess } from '../test/lab/hls-origin-process.ts'
import { HlsOrigin } from '../test/lab/hls-origin.ts'
import type { Programme } from '../test/lab/media.ts'
import { hlsSourceRows, tsSourceRows } from './hls-fault-rows.ts'
import type { HlsFaultRow } from './hls-fault-rows.ts'

/** A source of a soak: it fails in any of the ways of the scoreboard, and is well again. */
export interface SoakOrigin extends AsyncDisposable {
  /** May be another one after it was healed. */
  readonly url: string
  fail(random: Random): Promise<void>
  heal(): Promise<void>
}

/** What it sends: playlists with segments of MPEG-TS or fragmented MP4, those of a process that is killed, or one body. */
export type OriginKind = 'ts' | 'fmp4' | 'killed' | 'continuous'

export function pick<Item>(items: readonly Item[], random: Random): Item | undefined {
  return items[Math.floor(random.next() * items.length)]
}

const strikesOf = <Origin>(rows: readonly HlsFaultRow<Origin>[]) =>
  rows.flatMap(({ act }) => (act.kind === 'origin' ? [act.strike] : []))

export async function openOrigin(kind: OriginKind, name: string, programme: Programme): Promise<SoakOrigin> {
  if (kind === 'continuous') return await continuousOrigin(name, programme)
  if (kind === 'killed') return await killedOrigin(name, programme)
  return await playlistOrigin(kind, name, programme)
}

async function playlistOrigin(kind: 'ts' | 'fmp4', name: string, programme: Programme): Promise<SoakOrigin> {
  const media = await (kind === 'ts' ? loadTsMedia : loadFmp4Media)({ source: name, programme })
  const origin = await HlsOrigin.start({ renditions: [{ name: 'main', media }] })
  const strikes = strikesOf(hlsSourceRows)
  return {
    url: origin.url,
    fail: async (random) => await pick(strikes, random)?.(origin),
    heal: () => {
      origin.playlistFault = undefined
      origin.segmentFault = undefined
      origin.isEnded = false
      origin.setFrozen(false)
      return Promise.resolve()
    },
    [Symbol.asyncDispose]: async () => await origin[Symbol.asyncDispose](),
  }
}

async function continuousOrigin(name: string, programme: Programme): Promise<SoakOrigin> {
  const origin = await FaultOrigin.start({ name, programme })
  const strikes = strikesOf(tsSourceRows)
  return {
    url: origin.url,
    fail: async (random) => {
      await pick(strikes, random)?.(origin)
      if (random.next() < 0.5) origin.answer = { kind: 'status', status: 503 }
    },
    heal: () => {
      origin.answer = { kind: 'live' }
      return Promise.resolve()
    },
    [Symbol.asyncDispose]: async () => await origin[Symbol.asyncDispose](),
  }
}

/** Dies with its process; what takes its place has another address. */
async function killedOrigin(source: string, programme: Programme): Promise<SoakOrigin> {
  let origin = await HlsOriginProcess.start({ source, programme })
  let isAlive = true
  return {
    get url() {
      return origin.url
    },
    fail: async () => {
      isAlive = false
      await origin.kill()
    },
    heal: async () => {
      if (isAlive) return
      origin = await HlsOriginProcess.start({ source, programme })
      isAlive = true
    },
    [Symbol.asyncDispose]: async () => await origin[Symbol.asyncDispose](),
  }
}
