import { createAnalyser } from '../../mpegts/analyser/analyser.ts'

/** Lines of the picture that an MPEG-TS stream begins with; undefined while it has not told, or where it cannot be read. */
export function linesOf(head: Buffer): number | undefined {
  const analyser = createAnalyser()
  analyser.push(head)
  const { signature } = analyser.report()
  const video = signature?.streams.find(({ kind }) => kind === 'video')
  return video?.format?.kind === 'video' ? video.format.height : undefined
}
