import type { Codec, ElementaryStream } from '../../mpegts/elementary-stream.ts'

/** What has a place in MP4 here. */
const VIDEO_CODECS: ReadonlySet<Codec> = new Set(['h264', 'hevc', 'mpeg1video', 'mpeg2video'])
const AUDIO_CODECS: ReadonlySet<Codec> = new Set(['aac', 'mp2', 'ac3', 'eac3'])

export type StreamSelection = (streams: readonly ElementaryStream[]) => readonly ElementaryStream[]

export function isPackable({ codec }: ElementaryStream): boolean {
  return VIDEO_CODECS.has(codec) || AUDIO_CODECS.has(codec) || codec === 'id3'
}

/** The first video, the first audio, and timed metadata: what players take in one file. */
export const firstOfEach: StreamSelection = (streams) => {
  const packable = streams.filter(isPackable)
  const video = packable.find(({ kind }) => kind === 'video')
  const audio = packable.find(({ kind }) => kind === 'audio')
  return packable.filter((stream) => stream === video || stream === audio || stream.codec === 'id3')
}

/** The `index`th audio stream alone, from 0: for a rendition of its own. */
export function audioOnly(index: number): StreamSelection {
  return (streams) => streams.filter((stream) => isPackable(stream) && stream.kind === 'audio').slice(index, index + 1)
}

/** The first video without sound, with timed metadata: for playlists whose audio is in renditions of its own. */
export const videoOnly: StreamSelection = (streams) =>
  firstOfEach(streams).filter(({ kind, codec }) => kind === 'video' || codec === 'id3')
