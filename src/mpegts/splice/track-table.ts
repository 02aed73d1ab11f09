import type { OutputStream } from './stream-match.ts'
import { makeTrack } from './track.ts'
import type { Track } from './track.ts'

/** The tracks of the output by PID. They are never taken away: a stream that comes back goes on where it ended. */
export class TrackTable {
  readonly #tracks: Track[] = []
  readonly #byPid: (Track | undefined)[] = Array.from({ length: 0x200 })

  get all(): readonly Track[] {
    return this.#tracks
  }

  at(pid: number): Track | undefined {
    return this.#byPid[pid]
  }

  /** The track of an output stream, made on first use. PIDs of outputs are below 0x200. */
  for(output: OutputStream): Track {
    const known = this.#byPid[output.pid]
    if (known !== undefined) return known
    const track = makeTrack(output)
    this.#byPid[output.pid] = track
    this.#tracks.push(track)
    return track
  }
}
