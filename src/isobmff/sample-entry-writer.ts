import { writeAvcConfiguration } from './avc-configuration.ts'
import { numbers, writeBox, writeFullBox } from './box.ts'
import { writeElementaryDescriptor } from './elementary-descriptor.ts'
import { writeHevcConfiguration } from './hevc-configuration.ts'
import { IsobmffError } from './isobmff-error.ts'
import type { WrittenTrack } from './track.ts'

const DPI_72 = 0x0048_0000
const DEPTH_COLOUR = 24
const COMPRESSOR_NAME_BYTES = 32

/** A sample entry with its configuration, ISO/IEC 14496-12 §8.5.2. Throws an IsobmffError for a codec that is not written here. */
export function writeSampleEntry(track: WrittenTrack): Buffer {
  const { codec } = track
  switch (codec.kind) {
    case 'avc':
      return visual(codec.entryType, track, writeBox('avcC', writeAvcConfiguration(codec.avc)))
    case 'hevc': {
      if (track.hevcProfile === undefined) throw new IsobmffError('unsupported', 'HEVC without its profile')
      return visual(codec.entryType, track, writeBox('hvcC', writeHevcConfiguration(codec.hevc, track.hevcProfile)))
    }
    case 'mpeg4-video':
      return visual(
        'mp4v',
        track,
        writeFullBox('esds', 0, 0, writeElementaryDescriptor(codec.descriptor, 'video', track.id)),
      )
    case 'mpeg4-audio':
      return audio(
        'mp4a',
        track,
        writeFullBox('esds', 0, 0, writeElementaryDescriptor(codec.descriptor, 'audio', track.id)),
      )
    case 'ac3':
      return audio('ac-3', track, codec.configuration)
    case 'eac3':
      return audio('ec-3', track, codec.configuration)
    case 'opus':
      return audio('Opus', track, codec.configuration)
    case 'mp3':
      return audio('.mp3', track, Buffer.alloc(0))
    case 'other':
      throw new IsobmffError('unsupported', `a sample entry ${codec.entryType} cannot be written`)
    default:
      return codec satisfies never
  }
}

/** §12.1.3. */
function visual(type: string, { width, height }: WrittenTrack, configuration: Buffer): Buffer {
  return writeBox(
    type,
    numbers([6, 0], [2, 1]),
    Buffer.alloc(16),
    numbers([2, width], [2, height], [4, DPI_72], [4, DPI_72], [4, 0], [2, 1]),
    Buffer.alloc(COMPRESSOR_NAME_BYTES),
    numbers([2, DEPTH_COLOUR], [2, 0xffff]),
    configuration,
  )
}

/** §12.2.3; a rate above 65,535 Hz does not fit and is written as 0, the configuration tells it. */
function audio(type: string, { channels, sampleRateHz }: WrittenTrack, configuration: Buffer): Buffer {
  const rate = sampleRateHz > 0xffff ? 0 : sampleRateHz
  return writeBox(
    type,
    numbers([6, 0], [2, 1]),
    Buffer.alloc(8),
    numbers([2, channels], [2, 16], [4, 0], [2, rate], [2, 0]),
    configuration,
  )
}
