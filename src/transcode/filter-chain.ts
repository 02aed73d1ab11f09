/**
 * Which filters a profile may use. ffmpeg has filters that read files, open addresses or write what they found; none of
 * those is here, and neither is anything by which one that is could be reached.
 */
const VIDEO_FILTERS: ReadonlySet<string> = new Set([
  ...['scale', 'fps', 'format', 'setsar', 'setdar', 'crop', 'pad', 'transpose', 'hflip', 'vflip', 'null'],
  ...['yadif', 'bwdif', 'w3fdif', 'estdif', 'kerndeint', 'fieldorder', 'decimate'],
  ...['hqdn3d', 'unsharp', 'eq', 'deblock', 'deband', 'colorspace', 'tonemap', 'zscale'],
  ...['hwupload', 'hwdownload', 'hwmap', 'hwupload_cuda', 'scale_vaapi', 'deinterlace_vaapi', 'scale_cuda'],
  ...['yadif_cuda', 'bwdif_cuda', 'scale_npp', 'scale_qsv', 'deinterlace_qsv', 'vpp_qsv'],
])
const AUDIO_FILTERS: ReadonlySet<string> = new Set([
  ...['aresample', 'aformat', 'volume', 'loudnorm', 'dynaudnorm', 'acompressor', 'alimiter', 'channelmap'],
  ...['highpass', 'lowpass', 'atempo', 'anull'],
])
const FILTERS_MAX = 16

/** What an argument of a filter may be made of: no paths, no escapes, no labels, no graph of several chains. */
const PIECE = /^(?:[a-z][a-z0-9_]{0,31}=)?[A-Za-z0-9_.+*()<>|&^%-][A-Za-z0-9_.+*/()<>|&^%,-]{0,200}$/

/** Why this chain of filters may not be used, in words; undefined when it may. */
export function filterChainProblem(chain: string, kind: 'video' | 'audio'): string | undefined {
  const filters = splitOutsideQuotes(chain, ',')
  if (filters === undefined) return 'has a quote without its end'
  if (filters.length > FILTERS_MAX) return `has more than ${FILTERS_MAX} filters`
  const allowed = kind === 'video' ? VIDEO_FILTERS : AUDIO_FILTERS
  for (const filter of filters) {
    const equals = filter.indexOf('=')
    const name = equals === -1 ? filter : filter.slice(0, equals)
    if (!allowed.has(name)) return `uses the filter ${JSON.stringify(name.slice(0, 40))}, which is not allowed`
    const pieces = equals === -1 ? [] : splitOutsideQuotes(filter.slice(equals + 1), ':')
    const wrong = (pieces ?? ['']).find(
      (piece) => !PIECE.test(piece.replaceAll("'", '')) || /file|path|url/i.test(piece),
    )
    if (wrong !== undefined) return `has an argument of ${name} that is not allowed`
  }
  return undefined
}

/** Undefined when a quote does not end. */
function splitOutsideQuotes(text: string, separator: string): readonly string[] | undefined {
  const pieces: string[] = ['']
  let isQuoted = false
  for (const character of text) {
    if (character === "'") isQuoted = !isQuoted
    if (character === separator && !isQuoted) pieces.push('')
    else pieces[pieces.length - 1] = `${pieces.at(-1) ?? ''}${character}`
  }
  return isQuoted ? undefined : pieces
}
