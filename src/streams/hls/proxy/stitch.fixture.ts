import { newMediaPlaylist, newProgramDateTime, newSegment } from '../../../hls/new-playlist.ts'
import { parseMediaPlaylist } from '../../../hls/parse-playlist.ts'
import type { MediaPlaylist } from '../../../hls/playlist.ts'
import { PlaylistRules } from '../../../hls/rules.ts'
import { withCarried } from './playlist-text.ts'
import { References } from './reference.ts'
import { Sealer } from './seal-playlist.ts'
import { SlotOutput } from './slot-output.ts'
import { Stitch } from './stitch.ts'
import type { Taken } from './stitch.ts'

export interface FakeSourceOptions {
  readonly name: string
  readonly firstSequence?: number
  /** Of its segments, one after another and round again; seconds. */
  readonly durationsS?: readonly number[]
  readonly targetDurationS?: number
  readonly window?: number
  /** Its clock is so far off, or it dates nothing. */
  readonly dateSkewMs?: number
  readonly hasMap?: boolean
}

interface FakeSegment {
  readonly sequence: number
  readonly durationS: number
  readonly startMs: number
  readonly isDiscontinuity: boolean
  readonly uri: string
}

/** A live source without a network: its playlist grows when it is told to. */
export class FakeSource {
  readonly options: FakeSourceOptions
  readonly #segments: FakeSegment[] = []
  #sequence: number
  #made = 0
  #era = 0
  #edgeMs: number | undefined
  #discontinuitiesGone = 0

  constructor(options: FakeSourceOptions) {
    this.options = options
    this.#sequence = options.firstSequence ?? 0
  }

  /** Publishes what is due at a moment of the wall clock. */
  grow(wallMs: number, isDiscontinuity = false): void {
    const { durationsS = [2], window = 6 } = this.options
    this.#edgeMs ??= wallMs - window * 2_000
    let marks = isDiscontinuity
    for (;;) {
      const durationS = durationsS[this.#made % durationsS.length] ?? 2
      if (this.#edgeMs + durationS * 1_000 > wallMs) return
      const uri = `http://${this.options.name}.example/era${this.#era}/seg-${this.#sequence}.ts?token=${this.#made}`
      this.#segments.push({ sequence: this.#sequence, durationS, startMs: this.#edgeMs, isDiscontinuity: marks, uri })
      marks = false
      this.#sequence += 1
      this.#made += 1
      this.#edgeMs += durationS * 1_000
      if (this.#segments.length > window && this.#segments.shift()?.isDiscontinuity === true)
        this.#discontinuitiesGone += 1
    }
  }

  /** As after a restart of its packager. */
  reset(): void {
    this.#era += 1
    this.#sequence = this.options.firstSequence ?? 0
    this.#segments.length = 0
    this.#discontinuitiesGone = 0
  }

  get playlist(): MediaPlaylist {
    const { targetDurationS, durationsS = [2], dateSkewMs, hasMap = false } = this.options
    const map = { uri: 'init.mp4', byteRange: undefined, keys: [], otherAttributes: [] }
    return newMediaPlaylist({
      version: 4,
      targetDurationS: targetDurationS ?? Math.ceil(Math.max(...durationsS)),
      mediaSequence: this.#segments[0]?.sequence ?? this.#sequence,
      discontinuitySequence: this.#discontinuitiesGone,
      segments: this.#segments.map(({ uri, durationS, startMs, isDiscontinuity }) =>
        newSegment({
          ...{ uri, durationS, isDiscontinuity },
          ...(hasMap ? { map } : {}),
          ...(dateSkewMs === undefined ? {} : { programDateTime: newProgramDateTime(startMs + dateSkewMs) }),
        }),
      ),
    })
  }
}

const EXCUSED = ['three-target-durations', 'removed-in-order']
const START_MS = 1_767_225_600_000

/** A stitch with one slot or more, a clock of its own, and the rules watching every version of every playlist. */
export class StitchBench {
  readonly #references = new References('secret', 'bench')
  readonly #rules = new Map<number, PlaylistRules>()
  #stitch: Stitch
  #outputs = new Map<number, SlotOutput>()
  #sealer: Sealer | undefined
  readonly violations: string[] = []
  /**
   * Slots that nobody has looked at since a restart: when another source, or one that began anew, is found then, what was
   * there before cannot stand before it, what is new may not be enough, and numbers are left out.
   */
  readonly #restarted = new Set<number>()
  nowMs = START_MS

  constructor() {
    this.#stitch = new Stitch(undefined)
  }

  get stitch(): Stitch {
    return this.#stitch
  }

  begin(source: FakeSource, sourceIndex = 0): void {
    this.#stitch.begin({ candidateId: source.options.name, sourceIndex })
  }

  /** Takes a playlist as it is, and shows what a player would see to the rules. */
  take(source: FakeSource, slot = 0): Taken {
    const { playlist } = source
    const base = `http://${source.options.name}.example/live/index.m3u8`
    const taken = this.#stitch.take({
      ...{ slot, playlist, nowMs: this.nowMs, wallMs: this.nowMs, targetFloorS: 0 },
      seal: (segment, offset, span) => this.#sealerOf(span.number, span.candidateId).segment(segment, base, offset),
    })
    const { span } = this.#stitch
    if (taken === 'reset' || taken === 'waiting' || span === undefined) return taken
    const output = this.#output(slot)
    if (output.timeline.segments.length === 0) return taken
    output.frameChanged(this.#sealerOf(span.number, span.candidateId).frame(playlist, base), playlist)
    this.look(slot)
    return taken
  }

  /** What a player sees now. */
  look(slot = 0): MediaPlaylist {
    const text = this.text(slot)
    const rules = this.#rules.get(slot) ?? new PlaylistRules()
    this.#rules.set(slot, rules)
    for (const found of rules.pushText(text, this.nowMs)) {
      const isExcused = EXCUSED.includes(found.rule) && this.#restarted.has(slot)
      if (!isExcused) this.violations.push(`${JSON.stringify(found)}\n${text}`)
    }
    this.#restarted.delete(slot)
    return parseMediaPlaylist(text)
  }

  text(slot = 0): string {
    const { span, marks } = this.#stitch
    const output = this.#output(slot)
    return withCarried(output.text({ span, marks, wordsOf: () => undefined, reports: () => [], up: '' }), {})
  }

  /** The gateway is started again with what it had kept; `memory` of an earlier moment is what a crash leaves. */
  restart(memory = this.#stitch.memory): void {
    const kept: unknown = JSON.parse(JSON.stringify(memory))
    this.#stitch = new Stitch(kept as typeof memory)
    const features = new Map([...this.#outputs].map(([slot, output]) => [slot, output.features]))
    this.#outputs = new Map()
    for (const slot of this.#rules.keys()) this.#restarted.add(slot)
    for (const [slot, each] of features) this.#outputs.set(slot, new SlotOutput(this.#stitch.slot(slot), each))
    this.#sealer = undefined
  }

  #output(slot: number): SlotOutput {
    const output = this.#outputs.get(slot) ?? new SlotOutput(this.#stitch.slot(slot), undefined)
    this.#outputs.set(slot, output)
    return output
  }

  #sealerOf(span: number, candidateId: string): Sealer {
    if (this.#sealer?.span !== span) this.#sealer = new Sealer({ references: this.#references, span, candidateId })
    return this.#sealer
  }
}
