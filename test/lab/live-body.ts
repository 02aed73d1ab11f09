import { OTHER_BODY_SECONDS, otherBodies, otherFixture, readFixture } from './media.ts'
import type { OtherBody } from './media.ts'
import { TS_PACKET_BYTES } from './marker.ts'
import { loadTsLoop } from './ts-loop.ts'
import type { TsLoop, TsLoopOptions } from './ts-loop.ts'

/** A live programme: one timeline that every connection reads from where it is now. */
export interface LiveBody {
  readonly contentType: string
  /** Bytes that a cut may not divide: 188 for MPEG-TS, 1 where there is no such unit. */
  readonly unitBytes: number
  /** A reader that begins at what was due `backlogMs` ago, at the keyframe before that or in the middle of a GOP. */
  open(nowMs: number, options: { readonly join: Join; readonly backlogMs: number }): LiveCursor
}

export type Join = 'keyframe' | 'mid_gop'

export interface LiveCursor {
  /** The next bytes that are due at `nowMs`, at most `bytesMax` of them; undefined when nothing more is due. */
  read(nowMs: number, bytesMax: number): Buffer | undefined
}

/** Turns that lie behind a programme when it starts, so that a connection may ask for a backlog. */
const TURNS_BEHIND = 8
/** Turns kept rendered: connections read within a few seconds of each other. */
const TURNS_CACHED = 4

export async function openTsProgramme(options: TsLoopOptions, nowMs: number): Promise<LiveBody> {
  const loop = await loadTsLoop(options)
  const startMs = nowMs - TURNS_BEHIND * loop.durationMs
  const turns = new Map<number, Buffer>()
  const rendered = (turn: number): Buffer => {
    const known = turns.get(turn)
    if (known !== undefined) return known
    const bytes = loop.render(turn, startMs + turn * loop.durationMs)
    turns.set(turn, bytes)
    for (const old of turns.keys()) if (turns.size > TURNS_CACHED) turns.delete(old)
    return bytes
  }
  return {
    contentType: 'video/mp2t',
    unitBytes: TS_PACKET_BYTES,
    open: (openedMs, { join, backlogMs }) => {
      const elapsedMs = Math.max(0, openedMs - backlogMs - startMs)
      return new TsCursor(loop, rendered, startMs, firstPacket(loop, elapsedMs, join))
    },
  }
}

function firstPacket(loop: TsLoop, elapsedMs: number, join: Join): number {
  const turn = Math.floor(elapsedMs / loop.durationMs)
  const withinMs = elapsedMs - turn * loop.durationMs
  const base = turn * loop.packetCount
  if (join === 'mid_gop') return base + packetsDue(loop, withinMs)
  const entry = loop.entries.findLast((packet) => (loop.dueMs[packet] ?? 0) <= withinMs)
  return base + (entry ?? 0)
}

/** How many packets of a turn are due `withinMs` after its start. */
function packetsDue(loop: TsLoop, withinMs: number): number {
  let low = 0
  let high = loop.packetCount
  while (low < high) {
    const middle = (low + high) >> 1
    if ((loop.dueMs[middle] ?? 0) <= withinMs) low = middle + 1
    else high = middle
  }
  return low
}

class TsCursor implements LiveCursor {
  readonly #loop: TsLoop
  readonly #rendered: (turn: number) => Buffer
  readonly #startMs: number
  #packet: number

  constructor(loop: TsLoop, rendered: (turn: number) => Buffer, startMs: number, packet: number) {
    this.#loop = loop
    this.#rendered = rendered
    this.#startMs = startMs
    this.#packet = packet
  }

  read(nowMs: number, bytesMax: number): Buffer | undefined {
    const { packetCount, durationMs } = this.#loop
    const turn = Math.floor(this.#packet / packetCount)
    const from = this.#packet - turn * packetCount
    const dueEnd = packetsDue(this.#loop, nowMs - this.#startMs - turn * durationMs)
    const to = Math.min(dueEnd, from + Math.max(1, Math.floor(bytesMax / TS_PACKET_BYTES)))
    if (to <= from) return undefined
    this.#packet += to - from
    return this.#rendered(turn).subarray(from * TS_PACKET_BYTES, to * TS_PACKET_BYTES)
  }
}

/** MP3, ADTS, FLV or Matroska: each connection gets the body from its start, at the pace of its media. */
export async function openOtherProgramme(body: OtherBody): Promise<LiveBody> {
  const bytes = await readFixture(otherFixture(body))
  const bytesPerMs = bytes.length / (OTHER_BODY_SECONDS * 1000)
  return {
    contentType: otherBodies[body].contentType,
    unitBytes: 1,
    open: (openedMs, { backlogMs }) => {
      let at = 0
      return {
        read: (nowMs, bytesMax) => {
          const dueBytes = Math.floor((nowMs - openedMs + backlogMs) * bytesPerMs)
          const to = Math.min(bytes.length, dueBytes, at + bytesMax)
          if (to <= at) return undefined
          const piece = bytes.subarray(at, to)
          at = to
          return piece
        },
      }
    },
  }
}
