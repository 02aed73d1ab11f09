import type { Clock } from '../lib/clock.ts'
import type { DemoOptions } from './demo-options.ts'
import type { Sight } from './watcher.ts'

/** What the demo says, one line per happening, with the time since it began. Keeps the tally for the end. */
export class Screen {
  readonly #clock: Clock
  readonly #write: (text: string) => void
  readonly #begunMs: number
  #switches = 0
  #longestPauseMs = 0
  #misalignedPackets = 0
  #connectionsLost = 0

  constructor(options: { readonly clock: Clock; readonly write: (text: string) => void }) {
    this.#clock = options.clock
    this.#write = options.write
    this.#begunMs = options.clock.nowMs()
  }

  say(text: string): void {
    const seconds = Math.floor((this.#clock.nowMs() - this.#begunMs) / 1000)
    const minutes = String(Math.floor(seconds / 60)).padStart(2, '0')
    this.#write(`${minutes}:${String(seconds % 60).padStart(2, '0')}  ${text}\n`)
  }

  welcome(gatewayUrl: string, streamId: string, { breakEveryMs }: DemoOptions): void {
    const url = `${gatewayUrl}/stream/${streamId}`
    const lines = [
      '',
      `  Watch:    ${url}`,
      `            vlc ${url}`,
      `            mpv ${url}`,
      `            ffplay -loglevel error ${url}`,
      `  HLS:      ${gatewayUrl}/hls/${streamId}/playlist.m3u8`,
      `  Status:   ${gatewayUrl}/stats/detailed`,
      `  API:      ${gatewayUrl}/docs`,
      '',
      `  Every ${breakEveryMs / 1000} s the source on air breaks in a different way. Ctrl-C ends the demo.`,
      '',
    ]
    this.#write(`${lines.join('\n')}\n`)
  }

  /** A switch as the event switch_completed describes it. */
  switched(to: string, data: Readonly<Record<string, unknown>>): void {
    this.#switches += 1
    const details = [
      typeof data['reason'] === 'string' ? data['reason'] : undefined,
      typeof data['detection_ms'] === 'number' ? `noticed after ${data['detection_ms']} ms` : undefined,
      typeof data['gap_ms'] === 'number' ? `media flows again after ${data['gap_ms']} ms` : undefined,
    ]
    this.say(`→  ${to} is on air (${details.filter((detail) => detail !== undefined).join(', ')})`)
  }

  /** What the demo's own viewer saw of a failure. */
  seen({ longestPauseMs, misalignedPackets, connectionsLost }: Sight): void {
    const connection = connectionsLost === this.#connectionsLost ? 'same connection' : 'CONNECTION LOST'
    this.#longestPauseMs = Math.max(this.#longestPauseMs, longestPauseMs)
    this.#misalignedPackets += misalignedPackets
    this.#connectionsLost = connectionsLost
    const pause = `longest pause ${Math.round(longestPauseMs)} ms`
    this.say(`   a viewer saw: ${connection}, ${pause}, ${misalignedPackets} packets out of place`)
  }

  farewell(): void {
    const pause = `longest pause of a viewer ${Math.round(this.#longestPauseMs)} ms`
    const rest = `${this.#misalignedPackets} packets out of place, ${this.#connectionsLost} connections lost`
    this.#write('\n')
    this.say(`over: ${this.#switches} switches, ${pause}, ${rest}`)
  }
}
