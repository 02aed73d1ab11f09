import { PACKET_BYTES } from '../packet.ts'
import { packetiseSection } from '../psi.ts'
import { SectionAssembler } from '../section-assembler.ts'
import type { PacketWriter } from './packet-writer.ts'
import { moveSpliceInfo } from './splice-info.ts'
import type { Timeline } from './timeline.ts'
import type { Track } from './track.ts'

/**
 * Sends SCTE-35 sections in the output's time. They are put together, moved and cut into packets anew, since their CRC_32
 * stands at the end.
 */
export class SpliceInfoSender {
  readonly #timeline: Timeline
  readonly #writer: PacketWriter
  readonly #assemblers = new Map<number, SectionAssembler>()

  constructor(timeline: Timeline, writer: PacketWriter) {
    this.#timeline = timeline
    this.#writer = writer
  }

  /** A source begins: what is incomplete of the one before stays so. */
  begin(): void {
    this.#assemblers.clear()
  }

  /** Takes a packet of the track; what it completes goes out. */
  send({ pid, sending }: Track, buffer: Buffer, at: number): void {
    let assembler = this.#assemblers.get(pid)
    if (assembler === undefined) {
      assembler = new SectionAssembler()
      this.#assemblers.set(pid, assembler)
    }
    assembler.push(buffer, at, (section) => {
      moveSpliceInfo(section, this.#timeline.offset)
      const packets = packetiseSection(section, pid, (sending.counter + 1) & 0x0f)
      sending.counter = (sending.counter + packets.length / PACKET_BYTES) & 0x0f
      this.#writer.write(packets)
    })
  }
}
